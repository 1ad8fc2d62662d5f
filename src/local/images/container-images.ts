import { readFile } from 'node:fs/promises';
import { silentProgress } from '../../base/progress.ts';
import { cachedBuild } from './build-cache.ts';
import { FileTree } from './file-tree.ts';
import { addBusybox, addFlock, type ImageBuildOptions } from './guest-image.ts';
import { ociArchive, type OciImage } from './oci-archive.ts';
import { unpackPackages } from './packages.ts';
import { pauseProgram } from './pause-program.ts';

/** What a pod's sandbox runs. */
export const pauseImageName = 'localhost/yadokari/pause:1';
/** Busybox with sh, httpd with CGI, wget and nc; and flock. */
export const helloImageName = 'localhost/yadokari/hello:1';

export interface ContainerImages {
  /** One OCI archive with all of them, for `ctr -n k8s.io images import`. */
  readonly path: string;
  readonly names: readonly string[];
}

/** Builds the images that every cluster needs, or finds those built before. Needs apt and the network only then. */
export async function buildContainerImages(options: ImageBuildOptions): Promise<ContainerImages> {
  const sources = ['./container-images.ts', './pause-program.ts', './oci-archive.ts', './guest-image.ts'];
  const path = await cachedBuild({
    name: 'images.tar',
    cacheFolder: options.cacheFolder,
    inputs: await Promise.all(sources.map((source) => readFile(new URL(source, import.meta.url), 'utf8'))),
    build: (folder) => (options.progress ?? silentProgress).step('building the container images', async (step) => {
      step.update("fetching Debian's packages");
      const [busybox = '', utilities = ''] = await unpackPackages(['busybox', 'util-linux'], { folder, ...(options.signal === undefined ? {} : { signal: options.signal }) });
      step.update('packing');
      const archive = await ociArchive([
        pauseImage([pauseImageName]),
        { names: [helloImageName], layers: [await helloTree(busybox, utilities, options.signal)], command: ['/bin/sh'], environment: ['PATH=/bin:/sbin:/usr/bin:/usr/sbin'] },
      ]);
      return archive.content;
    }),
  });
  return { path, names: [pauseImageName, helloImageName] };
}

/** One file that needs nothing else, not even root. */
export function pauseImage(names: readonly string[], files: Readonly<Record<string, string>> = {}): OciImage {
  const tree = new FileTree().file('pause', pauseProgram(), 0o755);
  for (const [path, content] of Object.entries(files)) tree.file(path, content);
  return { names, layers: [tree], entrypoint: ['/pause'], user: '65535:65535' };
}

async function helloTree(busybox: string, utilities: string, signal?: AbortSignal): Promise<FileTree> {
  const tree = new FileTree();
  for (const folder of ['dev', 'etc', 'proc', 'root', 'run', 'sys', 'var', 'www/cgi-bin']) tree.folder(folder);
  tree.folder('tmp', 0o1777);
  await addBusybox(tree, busybox, signal);
  await addFlock(tree, utilities, signal);
  tree.file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n').file('etc/group', 'root:x:0:\nnogroup:x:65534:\n');
  return tree.file('etc/nsswitch.conf', 'hosts: files dns\n');
}
