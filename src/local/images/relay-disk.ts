import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../base/process.ts';
import { silentProgress } from '../../base/progress.ts';
import { cachedBuild } from './build-cache.ts';
import { buildRelay, type ContainerHostImageOptions } from './container-host-image.ts';
import { pauseImage, pauseImageName } from './container-images.ts';
import { ociArchive } from './oci-archive.ts';

/** The label that user data mounts the disk by. */
const label = 'YADO-RELAY';

const assets = ['install', 'relay-keys', 'yado-relay.service'] as const;

/**
 * Builds a small disk (ISO 9660, for a VirtualMachineImage of format `raw`) from which user data installs the relay,
 * the pause image and containerd's configuration in any Debian or Ubuntu guest. Its path.
 */
export async function buildRelayDisk(options: ContainerHostImageOptions): Promise<string> {
  const relay = await buildRelay(options);
  const files = [...assets.map((name) => new URL(`./relay-disk/${name}`, import.meta.url)), new URL('./container-host/containerd.toml', import.meta.url)];
  return cachedBuild({
    name: 'relay.raw',
    cacheFolder: options.cacheFolder,
    inputs: [await readFile(import.meta.filename, 'utf8'), relay, ...(await Promise.all(files.map((file) => readFile(file, 'utf8'))))],
    build: (folder) => (options.progress ?? silentProgress).step("building the relay's disk", async () => {
      const content = join(folder, 'content');
      await mkdir(content);
      await copyFile(relay, join(content, 'yado-relay'));
      for (const file of files) await copyFile(file, join(content, file.pathname.slice(file.pathname.lastIndexOf('/') + 1)));
      await writeFile(join(content, 'pause.tar'), (await ociArchive([pauseImage([pauseImageName])])).content);
      const disk = join(folder, 'relay.raw');
      await run('genisoimage', ['-quiet', '-R', '-V', label, '-o', disk, content], options.signal === undefined ? {} : { signal: options.signal });
      return readFile(disk);
    }),
  });
}
