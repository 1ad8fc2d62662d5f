import type { Clock } from '../../base/clock.ts';
import { DiskDaemon, readOnlyBlockdev } from './disk-daemon.ts';
import type { DiskReader } from './port.ts';

export interface CephDiskOptions {
  readonly pool: string;
  readonly image: string;
  /** Absent: as the image is now. */
  readonly snapshot?: string;
  /** Without `client.`. */
  readonly user: string;
  readonly key: string;
  /** A ceph.conf that tells where the cluster is. */
  readonly conf: string;
  /** As that of DiskDaemonOptions. */
  readonly folder: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const KEY = 'key';
const CONF = 'ceph.conf';

/** An image of Ceph. Rejects with a YadoError where QEMU cannot be had, or cannot open the image. */
export function openCephDisk({ pool, image, snapshot, user, key, conf, ...options }: CephDiskOptions): Promise<DiskReader> {
  const blockdevs = [
    '--object', `secret,id=key,format=base64,file=${KEY}`,
    ...readOnlyBlockdev({ driver: 'rbd', 'node-name': 'disk', pool, image, user, 'key-secret': 'key', conf: CONF, ...(snapshot === undefined ? {} : { snapshot }) }),
  ];
  return DiskDaemon.start({ ...options, files: { [KEY]: key, [CONF]: conf }, blockdevs });
}
