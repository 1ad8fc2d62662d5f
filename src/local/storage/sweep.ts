import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../../base/process.ts';

/** Lets go of devices that a node had for its volumes: they are the host's, and outlive the node. `folder` is the node's. */
export async function sweepVolumes(folder: string): Promise<void> {
  const volumes = join(folder, 'var/lib/yadokari/volumes');
  const devices = [...await devicesOfFiles(join(volumes, 'local/volumes')), ...await devicesOfImages(join(volumes, 'rbd'))];
  for (const device of devices) await run('losetup', ['--detach', device]).catch(() => {});
}

async function devicesOfFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(names.map((name) => run('losetup', ['--noheadings', '--output', 'NAME', '--associated', join(folder, name, 'data')]).catch(() => '')));
  return found.flatMap((text) => text.split('\n').map((line) => line.trim()).filter((line) => line !== ''));
}

/** By the driver's notes: the files that they are of went with the node. A device that is another's by now has another number. */
async function devicesOfImages(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(names.map(async (name) => {
    const [device = '', sequence] = (await readFile(join(folder, name, 'loop'), 'utf8').catch(() => '')).split(' ');
    const now = await readFile(`/sys/block/${basename(device)}/diskseq`, 'utf8').catch(() => undefined);
    return device !== '' && now?.trim() === sequence ? [device] : [];
  }));
  return found.flat();
}
