import type { CephSource } from '../../api/disk-copies.ts';
import type { DiskMigration, OpenStackMigrationSpec, ServerMigration } from '../../api/open-stack-migration.ts';
import type { PersistentVolumeClaim } from '../../kube/core.ts';
import { begin, madeSnapshot, type DiskStep } from './disk-export.ts';
import { MigrationError } from './step.ts';

const POOL = 'volumes';

/** Whether this pass of a disk reads it from Ceph. Of the disk of an image the cloud has no snapshot there: while its server runs it is copied as any other. */
export function isReadThere({ phase }: Pick<ServerMigration, 'phase'>, { readFrom, volume }: DiskMigration): boolean {
  return readFrom === 'Ceph' && (volume !== undefined || phase === 'Finishing');
}

/**
 * A disk that is an image of a Ceph is read there. Of a volume whose server runs that is a snapshot, made by Cinder, which
 * stays until what has changed since is copied too; once the server has stopped, the disk itself.
 */
export const CEPH_STEPS: Readonly<Partial<Record<DiskMigration['step'], DiskStep>>> = {
  Waiting: async (server, disk, context, signal) => (server.phase === 'Finishing' ? { disk: { ...disk, step: 'Copying' }, message: 'it is to be copied from Ceph' } : begin(server, disk, context, signal)),
  Snapshotting: async (server, disk, context, signal) => {
    const snapshot = await madeSnapshot(server, disk, context, signal);
    return 'disk' in snapshot ? snapshot : { disk: { ...disk, step: 'Copying' }, message: 'the snapshot is to be copied' };
  },
};

/** What of Ceph the disk is copied from in this pass, called as Cinder's and Nova's drivers call it; into a claim that has not got the snapshot, all of it. */
export function cephSource({ ceph }: OpenStackMigrationSpec, { phase, id }: Pick<ServerMigration, 'phase' | 'id'>, { volume, snapshot, name, claimUID }: DiskMigration, claim: PersistentVolumeClaim | undefined): CephSource {
  const pool = volume === undefined ? ceph?.serverPool : ceph?.pool ?? POOL;
  if (ceph === undefined || pool === undefined) throw new MigrationError('SourceFault', `disk ${name} is copied from Ceph, and spec.ceph${ceph === undefined ? '' : '.serverPool'} does not tell of one any more`);
  const { monitors } = ceph;
  if (volume === undefined) return { monitors, pool, image: `${id}_disk` };
  const source = { monitors, pool, image: `volume-${volume}` };
  if (snapshot === undefined) return source;
  if (phase !== 'Finishing') return { ...source, snapshot: `snapshot-${snapshot}` };
  return claimUID !== undefined && claim?.metadata.uid === claimUID ? { ...source, since: `snapshot-${snapshot}` } : source;
}

/** Tells what is copied from Ceph in one pass from all else. */
export function cephContent({ image, snapshot, since }: CephSource): string {
  return `${image}${snapshot === undefined ? '' : `@${snapshot}`}${since === undefined ? '' : `, what has changed since ${since}`}`;
}
