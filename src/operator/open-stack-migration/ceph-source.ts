import type { CephSource } from '../../api/disk-copies.ts';
import type { DiskMigration, OpenStackMigrationSpec, ServerMigration } from '../../api/open-stack-migration.ts';
import type { PersistentVolumeClaim } from '../../kube/core.ts';
import { begin, madeSnapshot, type DiskStep } from './disk-export.ts';
import { MigrationError } from './step.ts';

const POOL = 'volumes';

/**
 * A volume that is an image of a Ceph is read there. While its server runs that is a snapshot, made by Cinder, which stays
 * until what has changed since is copied too; once the server has stopped, the volume itself.
 */
export const CEPH_STEPS: Readonly<Partial<Record<DiskMigration['step'], DiskStep>>> = {
  Waiting: async (server, disk, context, signal) => (server.phase === 'Finishing' ? { disk: { ...disk, step: 'Copying' }, message: 'what has changed is to be copied' } : begin(server, disk, context, signal)),
  Snapshotting: async (server, disk, context, signal) => {
    const snapshot = await madeSnapshot(server, disk, context, signal);
    return 'disk' in snapshot ? snapshot : { disk: { ...disk, step: 'Copying' }, message: 'the snapshot is to be copied' };
  },
};

/** What of Ceph the disk is copied from in this pass, called as Cinder's driver calls it; into a claim that has not got the snapshot, all of it. */
export function cephSource({ ceph }: OpenStackMigrationSpec, { phase }: Pick<ServerMigration, 'phase'>, { volume, snapshot, name, claimUID }: DiskMigration, claim: PersistentVolumeClaim | undefined): CephSource {
  if (ceph === undefined) throw new MigrationError('SourceFault', `disk ${name} is copied from Ceph, and spec.ceph does not tell of one any more`);
  const { monitors, pool = POOL } = ceph;
  const source = { monitors, pool, image: `volume-${volume}` };
  if (snapshot === undefined) return source;
  if (phase !== 'Finishing') return { ...source, snapshot: `snapshot-${snapshot}` };
  return claimUID !== undefined && claim?.metadata.uid === claimUID ? { ...source, since: `snapshot-${snapshot}` } : source;
}

/** Tells what is copied from Ceph in one pass from all else. */
export function cephContent({ image, snapshot, since }: CephSource): string {
  return `${image}${snapshot === undefined ? '' : `@${snapshot}`}${since === undefined ? '' : `, what has changed since ${since}`}`;
}
