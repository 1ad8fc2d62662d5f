import { join } from 'node:path';
import type { OpenBackend } from '../../port.ts';
import { CephfsBackend } from './cephfs-backend.ts';
import { CephfsNodeVolumes, kernelMountsCephfs } from './cephfs-node.ts';
import { CephConnection } from './connection.ts';
import { MappedImages } from './mapped-images.ts';
import { RbdBackend } from './rbd-backend.ts';
import { RbdNodeVolumes } from './rbd-node.ts';
import { ServedImages } from './served-images.ts';
import { cephSettings, cephUser } from './settings.ts';

const DEFAULT_GROUP = 'csi';

export const openRbd: OpenBackend = async ({ stateDirectory, settings: given, secret, log }) => {
  const settings = cephSettings(given, 'pool');
  const user = cephUser(secret);
  const place = { pool: settings.pool, ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }) };
  const connection = new CephConnection({ ...user, monitors: settings.monitors, log });
  const backend = new RbdBackend(connection, place);
  const images = await MappedImages.isOffered() ? new MappedImages({ place, settings, user }) : new ServedImages({ folder: join(stateDirectory, 'rbd'), place, settings, user });
  return { backend, volumes: new RbdNodeVolumes(backend, images), [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() };
};

export const openCephfs: OpenBackend = async ({ stateDirectory, settings: given, secret, log }) => {
  const settings = cephSettings(given, 'filesystem');
  const user = cephUser(secret);
  const connection = new CephConnection({ ...user, monitors: settings.monitors, log });
  const backend = new CephfsBackend({ connection, filesystem: settings.filesystem, group: settings.group ?? DEFAULT_GROUP });
  const volumes = new CephfsNodeVolumes(backend, { folder: join(stateDirectory, 'cephfs'), settings, user, kernel: await kernelMountsCephfs() });
  return { backend, volumes, [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() };
};
