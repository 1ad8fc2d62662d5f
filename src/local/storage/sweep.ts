import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../base/process.ts';

/** Lets go of devices that a node had for its volumes: they are the host's, and outlive the node. `folder` is the node's. */
export async function sweepVolumes(folder: string): Promise<void> {
  const volumes = join(folder, 'var/lib/yadokari/volumes/local/volumes');
  for (const name of await readdir(volumes).catch(() => [])) {
    const devices = (await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', join(volumes, name, 'data')]).catch(() => '')).split('\n').map((line) => line.trim());
    for (const device of devices.filter((line) => line !== '')) await run('losetup', ['--detach', device]).catch(() => {});
  }
}
