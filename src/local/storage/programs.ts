import { join } from 'node:path';
import { bundleProgram } from '../bundle.ts';
import { LocalError } from '../errors.ts';
import { ensureExtraProgram, moduleFolder, type BuildOptions } from '../toolchain/toolchain.ts';
import { sidecars, type Sidecar, type StorageKind, type StorageRecord } from './record.ts';

export interface StorageProgramsOptions extends BuildOptions {
  readonly projectRoot: string;
}

/** Finds or builds all that serves volumes of these kinds. */
export async function ensureStorage(kinds: readonly StorageKind[], options: StorageProgramsOptions): Promise<StorageRecord> {
  const { projectRoot, cache } = options;
  const driverProgram = await bundleProgram({ projectRoot, entry: join(projectRoot, 'src/bin/yado-csi.ts'), cache });
  if (driverProgram === undefined) throw new LocalError('UnknownProgram', 'this installation has no yado-csi');
  const built: Partial<Record<Sidecar, string>> = {};
  for (const name of sidecars) built[name] = await ensureExtraProgram(name, options);
  const definitions = await moduleFolder('csi-sidecars', 'github.com/kubernetes-csi/external-snapshotter/client/v8', options);
  return { kinds, driverProgram, sidecars: built as Record<Sidecar, string>, snapshotDefinitions: join(definitions, 'config/crd') };
}
