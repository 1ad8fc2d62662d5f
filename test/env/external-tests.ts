import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentProgress } from '../../src/base/progress.ts';
import { cachedBuild } from '../../src/local/images/build-cache.ts';
import { FileTree } from '../../src/local/images/file-tree.ts';
import { addBusybox } from '../../src/local/images/guest-image.ts';
import { ociArchive } from '../../src/local/images/oci-archive.ts';
import { unpackPackages } from '../../src/local/images/packages.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';

const root = join(import.meta.dirname, '../..');

/** As test/utils/image/manifest.go of Kubernetes 1.34 names them. */
const AGNHOST = 'registry.k8s.io/e2e-test-images/agnhost:2.56';
/** Of the latter only the shell is used. */
const BUSYBOX = ['registry.k8s.io/e2e-test-images/busybox:1.37.0-1', 'registry.k8s.io/e2e-test-images/nginx:1.14-4'];

/** Path of e2e.test, and an archive of the images that it runs; built where they are not there yet. */
export async function externalTests(): Promise<{ readonly program: string; readonly images: string }> {
  const building = { modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress };
  const program = await ensureExtraProgram('e2e.test', building);
  return { program, images: await externalImages(await ensureExtraProgram('agnhost', building), join(defaultCacheRoot, 'images')) };
}

/** An archive of images under the names that Kubernetes' tests expect: agnhost of its own sources, the rest from Debian's busybox. */
async function externalImages(agnhost: string, cacheFolder: string): Promise<string> {
  return cachedBuild({
    name: 'external-images.tar', cacheFolder, inputs: [agnhost, await readFile(import.meta.filename, 'utf8')],
    build: async (folder) => {
      const [busybox = ''] = await unpackPackages(['busybox'], { folder });
      const tree = new FileTree();
      for (const path of ['dev', 'etc', 'proc', 'root', 'run', 'sys', 'var', 'mnt']) tree.folder(path);
      tree.folder('tmp', 0o1777);
      await addBusybox(tree, busybox);
      tree.file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n').file('etc/group', 'root:x:0:\nnogroup:x:65534:\n');
      const program = new FileTree().file('agnhost', await readFile(agnhost), 0o755);
      const environment = ['PATH=/bin:/sbin:/usr/bin:/usr/sbin'];
      return (await ociArchive([
        { names: BUSYBOX, layers: [tree], command: ['sh'], environment },
        { names: [AGNHOST], layers: [tree, program], entrypoint: ['/agnhost'], command: ['pause'], environment },
      ])).content;
    },
  });
}
