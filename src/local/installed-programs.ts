import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readIfExists, writeFileAtomically } from './file.ts';
import type { ClusterLayout } from './layout.ts';
import type { ClusterRecord } from './record.ts';

/** Programs of ours that a running cluster can take anew. */
export type Program = 'operator' | 'agent';

type Programs = Pick<ClusterRecord, 'operatorProgram' | 'agentProgram'>;

/** Where a cluster keeps its own copies: the same paths whatever the content, so that a restart is all that a new program needs. */
export function programPaths({ root }: Pick<ClusterLayout, 'root'>, { operatorProgram, agentProgram }: Programs): Programs {
  const own = (source: string) => join(root, 'programs', basename(source));
  return {
    ...(operatorProgram === undefined ? {} : { operatorProgram: own(operatorProgram) }),
    ...(agentProgram === undefined ? {} : { agentProgram: own(agentProgram) }),
  };
}

/** Copies the bundles to the cluster's own paths; those whose content was another before. */
export async function installPrograms(layout: Pick<ClusterLayout, 'root'>, bundles: Programs): Promise<readonly Program[]> {
  const paths = programPaths(layout, bundles);
  const [operator, agent] = await Promise.all([install(bundles.operatorProgram, paths.operatorProgram), install(bundles.agentProgram, paths.agentProgram)]);
  return [...(operator ? ['operator' as const] : []), ...(agent ? ['agent' as const] : [])];
}

async function install(source: string | undefined, path: string | undefined): Promise<boolean> {
  if (source === undefined || path === undefined) return false;
  const content = await readFile(source, 'utf8');
  if ((await readIfExists(path)) === content) return false;
  // The source map goes first, so that stack traces are never read with an older one.
  const map = await readIfExists(`${source}.map`);
  if (map !== undefined) await writeFileAtomically(`${path}.map`, map);
  await writeFileAtomically(path, content);
  return true;
}
