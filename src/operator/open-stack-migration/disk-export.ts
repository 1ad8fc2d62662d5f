import type { DiskMigration, ServerMigration } from '../../api/open-stack-migration.ts';
import type { Page } from '../../openstack/page.ts';
import type { Snapshot, VolumeService } from '../../openstack/volume/port.ts';
import { isForgotten } from './forgotten.ts';
import { exportName, MigrationError, type StepContext } from './step.ts';

/** What a disk's copy came to in this look, and what it waits for. */
export interface DiskStepped {
  readonly disk: DiskMigration;
  readonly message?: string;
}

export type DiskStep = (server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal) => Promise<DiskStepped>;

/**
 * A disk in the cloud becomes an image in Glance, which is the one place where every cloud shows the content of disks:
 * the disk of an image by Nova's snapshot, a volume by a snapshot, a volume of that, and its upload. Each of these is
 * found again by its name. None changes the server, its disks or its volumes.
 */
export const EXPORT_STEPS: Readonly<Partial<Record<DiskMigration['step'], DiskStep>>> = { Waiting: begin, Snapshotting: clone, Cloning: upload, Exporting: awaitImage };

export async function begin(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  const name = exportName(context, server, disk);
  if (disk.volume === undefined) {
    const image = (await named(context.cloud.image.images(signal), name))?.id ?? await context.cloud.compute.createImage(server.id ?? '', name, {}, signal);
    return { disk: { ...disk, step: 'Exporting', image }, message: 'the cloud makes an image of the disk' };
  }
  const volumes = volumesOf(context);
  const snapshot = await named(volumes.snapshots(signal), name) ?? await volumes.createSnapshot(disk.volume, name, {}, signal);
  return { disk: { ...disk, step: 'Snapshotting', snapshot: snapshot.id }, message: 'the cloud makes a snapshot of the volume' };
}

/** The disk's snapshot, once the cloud has made it. */
export async function madeSnapshot(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<Snapshot | DiskStepped> {
  const volumes = volumesOf(context);
  const snapshot = await volumes.snapshot(disk.snapshot ?? '', signal);
  if (snapshot === undefined) return anew(disk, 'the snapshot is gone');
  if (snapshot.status.startsWith('error')) {
    await volumes.deleteSnapshot(snapshot.id, signal);
    throw new MigrationError('SourceFault', `volume ${disk.volume}: the cloud could not make a snapshot (${snapshot.status}); Cinder's log tells why${server.phase === 'Copying' ? '. Volumes in use may need strategy: Cold' : ''}`);
  }
  if (isForgotten(snapshot, context.clock.now(), disk.forgotten)) return giveUp(disk, 'Waiting', `the snapshot is ${snapshot.status}`);
  return snapshot.status === 'available' ? snapshot : { disk, message: `the snapshot is ${snapshot.status}` };
}

async function clone(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  const snapshot = await madeSnapshot(server, disk, context, signal);
  if ('disk' in snapshot) return snapshot;
  const volumes = volumesOf(context);
  const name = exportName(context, server, disk);
  const type = disk.volume === undefined ? undefined : context.state.volumes.get(disk.volume)?.type;
  const made = await named(volumes.volumes(signal), name) ?? await volumes.createVolume({ name, sizeGiB: snapshot.sizeGiB, source: { kind: 'snapshot', id: snapshot.id }, ...(type === undefined ? {} : { type }) }, signal);
  return { disk: { ...disk, step: 'Cloning', clone: made.id }, message: 'the cloud makes a volume of the snapshot' };
}

async function upload(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  const volumes = volumesOf(context);
  const volume = await volumes.volume(disk.clone ?? '', signal);
  if (volume === undefined) return anew(disk, 'the copy of the volume is gone');
  if (volume.status.startsWith('error')) {
    await volumes.deleteVolume(volume.id, signal);
    throw new MigrationError('SourceFault', `volume ${disk.volume}: the cloud could not make a copy of it (${volume.status}); Cinder's log tells why`);
  }
  const name = exportName(context, server, disk);
  const known = (await named(context.cloud.image.images(signal), name))?.id;
  if (known === undefined && isForgotten(volume, context.clock.now(), disk.forgotten)) return giveUp(disk, 'Snapshotting', `the copy of the volume is ${volume.status}`);
  if (known === undefined && volume.status !== 'available') return { disk, message: `the copy of the volume is ${volume.status}` };
  const image = known ?? await volumes.uploadToImage(volume.id, { name, diskFormat: 'raw' }, signal);
  return { disk: { ...disk, step: 'Exporting', image }, message: 'the cloud makes an image of the copy' };
}

async function awaitImage(server: ServerMigration, disk: DiskMigration, { cloud, clock }: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  // Before the image is looked at: who makes one is done only after it is active.
  const volume = disk.clone === undefined ? undefined : await cloud.volume?.volume(disk.clone, signal);
  const isMaking = disk.clone === undefined ? (await cloud.compute.server(server.id ?? '', signal))?.task !== undefined : volume?.status === 'uploading';
  const image = await cloud.image.image(disk.image ?? '', signal);
  if (image === undefined || image.status === 'deleted' || image.status === 'killed' || image.status === 'pending_delete') return anew(disk, `the image is ${image?.status ?? 'gone'}`);
  if (image.status === 'queued' && volume !== undefined && isForgotten(volume, clock.now(), disk.forgotten)) {
    await cloud.image.deleteImage(image.id, signal);
    return giveUp(disk, 'Snapshotting', `the image is ${image.status}`);
  }
  if (image.status !== 'active' && isMaking) return { disk, message: `the image is ${image.status}` };
  if (image.status !== 'active') {
    await cloud.image.deleteImage(image.id, signal);
    const { image: _, ...rest } = disk;
    // A service of the cloud that was restarted has forgotten it, and leaves an image that never comes to be.
    return { disk: { ...rest, step: disk.clone === undefined ? 'Waiting' : 'Cloning' }, message: `nobody in the cloud makes the image any more, which is ${image.status}: it is made anew` };
  }
  if (image.diskFormat !== 'raw' && image.diskFormat !== 'qcow2') throw new MigrationError('SourceFault', `the cloud makes images of format ${image.diskFormat ?? 'unknown'} of its servers, and only raw and qcow2 can be copied`);
  return { disk: { ...disk, step: 'Copying' } };
}

/** What the cloud does not come back to is left to the end, and another made beside it. */
function giveUp({ forgotten = 0, image: _image, clone: _clone, ...rest }: DiskMigration, step: 'Waiting' | 'Snapshotting', message: string): DiskStepped {
  return { disk: { ...rest, step, forgotten: forgotten + 1 }, message: `${message} for too long: the cloud has forgotten it, and another is made` };
}

/** Removes what the cloud has of a copy and is not needed any more, so that it takes no space there meanwhile. What does not go at once is left to the end. */
export async function tidyExport(disk: DiskMigration, { cloud }: StepContext, signal: AbortSignal): Promise<DiskMigration> {
  // Of Ceph it is what tells the changes that the next pass has to copy.
  if (disk.readFrom === 'Ceph' && disk.volume !== undefined && !(disk.step === 'Copied' && disk.pass > 1)) return disk;
  let { image, clone, snapshot } = disk;
  const isCopied = disk.step === 'Copied';
  const isImage = disk.step === 'Copying' || isCopied;
  if (image !== undefined && isCopied) {
    await cloud.image.deleteImage(image, signal);
    image = undefined;
  }
  if (clone !== undefined && isImage) {
    // Some backends keep a snapshot for as long as a volume was made of it.
    const volume = await cloud.volume?.volume(clone, signal);
    if (volume === undefined) clone = undefined;
    else if (volume.status !== 'deleting') await cloud.volume?.deleteVolume(clone, signal);
  }
  if (snapshot !== undefined && clone === undefined && isImage) {
    const known = await cloud.volume?.snapshot(snapshot, signal);
    if (known === undefined) snapshot = undefined;
    else if (known.status !== 'deleting') await cloud.volume?.deleteSnapshot(snapshot, signal);
  }
  const { image: _image, clone: _clone, snapshot: _snapshot, ...rest } = disk;
  return { ...rest, ...(image === undefined ? {} : { image }), ...(clone === undefined ? {} : { clone }), ...(snapshot === undefined ? {} : { snapshot }) };
}

function anew(disk: DiskMigration, message: string): DiskStepped {
  const { image: _image, clone: _clone, snapshot: _snapshot, ...rest } = disk;
  return { disk: { ...rest, step: 'Waiting' }, message: `${message}: it is made anew` };
}

function volumesOf({ cloud }: StepContext): VolumeService {
  if (cloud.volume === undefined) throw new MigrationError('SourceFault', 'the cloud has volumes, and no Cinder that could be asked for their content');
  return cloud.volume;
}

async function named<T extends { readonly name: string }>(pages: AsyncIterable<Page<T>>, name: string): Promise<T | undefined> {
  for await (const { items } of pages) {
    const found = items.find((item) => item.name === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
