import type { CephSource } from '../api/disk-copies.ts';
import type { Clock } from '../base/clock.ts';
import { YadoError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { DISK_NODE, DiskDaemon } from '../openstack/disk/disk-daemon.ts';
import { confOf } from '../storage/drivers/ceph/client-files.ts';
import { CephConnection } from '../storage/drivers/ceph/connection.ts';
import { Images } from '../storage/drivers/ceph/images.ts';
import { lackingOf, program, pythonModule, qemuOfCeph } from '../storage/drivers/ceph/programs.ts';
import { qemuImage } from '../storage/drivers/ceph/qemu-image.ts';
import { cephSettings, type CephUser } from '../storage/drivers/ceph/settings.ts';
import { touchedBy, type ReadableDisk, type SegmentFilter } from './disk-segments.ts';

export interface CephSourceOptions {
  readonly user: CephUser;
  /** Of what is there while it is open; the path is short, and gone afterwards. */
  readonly folder: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly log: Log;
}

const [KEY, CONF] = ['key', 'ceph.conf'];
const NEEDED = [pythonModule('rados'), pythonModule('rbd'), program('qemu-storage-daemon', 'qemu-system-common'), qemuOfCeph];

/** A disk of a Ceph that is to be copied, and what of it may have changed since the target was as it. */
export interface OpenedSource extends AsyncDisposable {
  readonly disk: ReadableDisk;
  /** Absent: all of it. */
  readonly changed?: SegmentFilter;
}

/** Rejects with a YadoError where that is no Ceph by its settings, it is not reached, or has no such image or snapshot. A snapshot that is gone, and of which changes are asked for, has all of it copied. */
export async function openCephSource(source: CephSource, options: CephSourceOptions): Promise<OpenedSource> {
  return open(source, options).catch(async (error: unknown) => {
    const lacking = await lackingOf(NEEDED);
    throw lacking === undefined ? error : new YadoError('NodeLacks', `to read a volume in a Ceph this node lacks ${lacking}`, { cause: error });
  });
}

async function open({ image, snapshot, since, ...given }: CephSource, { user, folder, clock, signal, log }: CephSourceOptions): Promise<OpenedSource> {
  // Whoever made the migration wrote them, and a line more would be another setting.
  const { monitors, pool } = cephSettings({ monitors: given.monitors, pool: given.pool }, 'pool');
  await using resources = new AsyncDisposableStack();
  const images = new Images(resources.use(new CephConnection({ monitors, ...user, log })), { pool });
  const known = await images.info(image);
  if (known === undefined || (snapshot !== undefined && !known.snapshots.includes(snapshot))) {
    throw new YadoError('SourceMissing', `pool ${pool} of Ceph has no image ${image}${known === undefined ? '' : ` with a snapshot ${snapshot}`}: the disk may be kept elsewhere (spec.ceph.pool, spec.ceph.volumeTypes, spec.ceph.serverPool)`, { disposition: 'stalled' });
  }
  const ranges = since === undefined ? undefined : await images.changed(image, since);
  const blockdevs = qemuImage({ node: DISK_NODE, place: { pool }, image, user, key: KEY, conf: CONF, more: { 'read-only': true, ...(snapshot === undefined ? {} : { snapshot }) } });
  const disk = resources.use(await DiskDaemon.start({ folder, files: { [KEY]: user.key, [CONF]: confOf({ monitors }) }, blockdevs, clock, signal }));
  const owned = resources.move();
  return { disk, ...(ranges === undefined ? {} : { changed: touchedBy(ranges) }), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
