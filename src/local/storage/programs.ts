import { join } from 'node:path';
import { bundleProgram } from '../bundle.ts';
import { LocalError } from '../errors.ts';
import { ensureExtraProgram, moduleFolder, type BuildOptions } from '../toolchain/toolchain.ts';
import { sidecars, type Sidecar, type StorageRecord } from './record.ts';

export interface StorageProgramsOptions extends BuildOptions {
  readonly projectRoot: string;
}

/** Finds or builds all that serves volumes of these kinds. */
export async function ensureStorage({ kinds, servers = [] }: Pick<StorageRecord, 'kinds' | 'servers'>, options: StorageProgramsOptions): Promise<StorageRecord> {
  const driverProgram = await bundled('yado-csi', options);
  const built: Partial<Record<Sidecar, string>> = {};
  for (const name of sidecars) built[name] = await ensureExtraProgram(name, options);
  const definitions = await moduleFolder('csi-sidecars', 'github.com/kubernetes-csi/external-snapshotter/client/v8', options);
  return {
    kinds, driverProgram, sidecars: built as Record<Sidecar, string>, snapshotDefinitions: join(definitions, 'config/crd'),
    ...(servers.length === 0 ? {} : { servers }), ...(servers.includes('nfs') ? { nfsProgram: await bundled('yado-nfs', options) } : {}),
  };
}

async function bundled(name: string, { projectRoot, cache }: StorageProgramsOptions): Promise<string> {
  const program = await bundleProgram({ projectRoot, entry: join(projectRoot, `src/bin/${name}.ts`), cache });
  if (program === undefined) throw new LocalError('UnknownProgram', `this installation has no ${name}`);
  return program;
}
