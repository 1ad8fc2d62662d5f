import { join } from 'node:path';
import type { Backend, NodeVolumes, OpenBackend, OpenedBackend } from '../../port.ts';
import { CephfsBackend } from './cephfs-backend.ts';
import { CephfsNodeVolumes } from './cephfs-node.ts';
import { CephConnection } from './connection.ts';
import { KernelClients } from './kernel-clients.ts';
import { MappedImages } from './mapped-images.ts';
import { RbdBackend } from './rbd-backend.ts';
import { RbdNodeVolumes } from './rbd-node.ts';
import { ServedImages } from './served-images.ts';
import { cephSettings, cephUser } from './settings.ts';

const DEFAULT_GROUP = 'csi';
const SETTLE_MS = 60_000;

export const openRbd: OpenBackend = async ({ node, attaches = true, stateDirectory, settings: given, secret, log }) => {
  const settings = cephSettings(given, 'pool');
  const user = cephUser(secret);
  const place = { pool: settings.pool, ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }) };
  const connection = new CephConnection({ ...user, monitors: settings.monitors, log });
  const backend = new RbdBackend(connection, place);
  const images = await MappedImages.isOffered() ? new MappedImages({ place, settings, user }) : new ServedImages({ folder: join(stateDirectory, 'rbd'), place, settings, user });
  return opened(connection, backend, new RbdNodeVolumes(backend, images, node, log), attaches);
};

export const openCephfs: OpenBackend = async ({ node, attaches = true, stateDirectory, settings: given, secret, log }) => {
  const settings = cephSettings(given, 'filesystem');
  const user = cephUser(secret);
  const connection = new CephConnection({ ...user, monitors: settings.monitors, log });
  const backend = new CephfsBackend({ connection, filesystem: settings.filesystem, group: settings.group ?? DEFAULT_GROUP });
  const volumes = new CephfsNodeVolumes(backend, { folder: join(stateDirectory, 'cephfs'), settings, user, kernel: await KernelClients.open(), node, log });
  return opened(connection, backend, volumes, attaches);
};

/** Clients of this node that ended without us, be it when it crashed, are forgotten now and then, by whoever makes them. */
function opened(connection: CephConnection, backend: Backend, volumes: NodeVolumes & { settle(): Promise<void> }, attaches: boolean): OpenedBackend {
  const timer = attaches ? setInterval(() => void volumes.settle(), SETTLE_MS) : undefined;
  if (attaches) void volumes.settle();
  return {
    backend, volumes,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await connection[Symbol.asyncDispose]();
    },
  };
}
