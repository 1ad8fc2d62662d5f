import { join } from 'node:path';
import type { OpenBackend } from '../../port.ts';
import { LocalBackend } from './backend.ts';
import { LoopDevices } from './loop-devices.ts';
import { LocalNodeVolumes } from './node.ts';

export const openLocal: OpenBackend = async ({ node, stateDirectory }) => {
  const loops = new LoopDevices();
  const backend = new LocalBackend({ folder: join(stateDirectory, 'local'), node, loops });
  await backend.probe();
  return { backend, volumes: new LocalNodeVolumes(backend, loops), [Symbol.asyncDispose]: async () => {} };
};
