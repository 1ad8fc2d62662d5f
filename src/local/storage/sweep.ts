import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../../base/process.ts';

/** Lets go of devices that a node had for its volumes: they are the host's, and outlive the node. `folder` is the node's. */
export async function sweepVolumes(folder: string): Promise<void> {
  const volumes = join(folder, 'var/lib/yadokari/volumes');
  const devices = [...await devicesOfFiles(join(volumes, 'local/volumes')), ...await devicesOfImages(join(volumes, 'rbd'))];
  for (const device of devices) {
    // A kubelet has one of its own upon each that a pod or a machine has as a device, so that none is taken away in use.
    for (const one of [...await loopsOf(device), device]) await run('losetup', ['--detach', one]).catch(() => {});
  }
}

async function devicesOfFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return (await Promise.all(names.map((name) => loopsOf(join(folder, name, 'data'))))).flat();
}

/** Loop devices of a file, or of a device. */
async function loopsOf(path: string): Promise<readonly string[]> {
  const text = await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', path]).catch(() => '');
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
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
