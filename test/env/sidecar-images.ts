import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { silentProgress } from '../../src/base/progress.ts';
import { cachedBuild } from '../../src/local/images/build-cache.ts';
import { FileTree } from '../../src/local/images/file-tree.ts';
import { ociArchive } from '../../src/local/images/oci-archive.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram, moduleFolder } from '../../src/local/toolchain/toolchain.ts';
import { chartFolder } from './helm.ts';

const building = { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress };

/** An archive of Kubernetes' own sidecars, of their sources, under the names that the chart has for them; its path. */
export async function sidecarImages(): Promise<string> {
  const { storage: { sidecars } } = parse(await readFile(join(chartFolder, 'values.yaml'), 'utf8')) as { readonly storage: { readonly sidecars: Readonly<Record<string, string>> } };
  const programs: (readonly [image: string, program: string])[] = [];
  for (const image of Object.values(sidecars)) programs.push([image, await ensureExtraProgram(/([^/]+):[^:/]+$/.exec(image)?.[1] ?? image, building)]);
  return cachedBuild({
    name: 'sidecars.tar', cacheFolder: join(defaultCacheRoot, 'images'), inputs: [JSON.stringify(programs), await readFile(import.meta.filename, 'utf8')],
    build: async () => (await ociArchive(await Promise.all(programs.map(async ([image, program]) => ({
      names: [image], layers: [new FileTree().file('sidecar', await readFile(program), 0o755)], entrypoint: ['/sidecar'],
    }))))).content,
  });
}

/** The folder with the definitions of snapshots. */
export async function snapshotDefinitions(): Promise<string> {
  return join(await moduleFolder('csi-sidecars', 'github.com/kubernetes-csi/external-snapshotter/client/v8', building), 'config/crd');
}
