import type { DiskMigration, ServerMigration } from '../../api/open-stack-migration.ts';
import type { Page } from '../../openstack/page.ts';
import type { VolumeService } from '../../openstack/volume/port.ts';
import { exportName, MigrationError, type StepContext } from './step.ts';

/** What a disk's copy came to in this look, and what it waits for. */
export interface DiskStepped {
  readonly disk: DiskMigration;
  readonly message?: string;
}

type DiskStep = (server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal) => Promise<DiskStepped>;

/**
 * A disk in the cloud becomes an image in Glance, which is the one place where every cloud shows the content of disks:
 * the disk of an image by Nova's snapshot, a volume by a snapshot, a volume of that, and its upload. Each of these is
 * found again by its name. None changes the server, its disks or its volumes.
 */
export const EXPORT_STEPS: Readonly<Partial<Record<DiskMigration['step'], DiskStep>>> = { Waiting: begin, Snapshotting: clone, Cloning: upload, Exporting: awaitImage };

async function begin(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  const name = exportName(context, server, disk);
  if (disk.volume === undefined) {
    const image = (await named(context.cloud.image.images(signal), name))?.id ?? await context.cloud.compute.createImage(server.id ?? '', name, {}, signal);
    return { disk: { ...disk, step: 'Exporting', image }, message: 'the cloud makes an image of the disk' };
  }
  const volumes = volumesOf(context);
  const snapshot = await named(volumes.snapshots(signal), name) ?? await volumes.createSnapshot(disk.volume, name, {}, signal);
  return { disk: { ...disk, step: 'Snapshotting', snapshot: snapshot.id }, message: 'the cloud makes a snapshot of the volume' };
}

async function clone(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  const volumes = volumesOf(context);
  const snapshot = await volumes.snapshot(disk.snapshot ?? '', signal);
  if (snapshot === undefined) return anew(disk, 'the snapshot is gone');
  if (snapshot.status.startsWith('error')) {
    await volumes.deleteSnapshot(snapshot.id, signal);
    throw new MigrationError('SourceFault', `volume ${disk.volume}: the cloud could not make a snapshot (${snapshot.status}); Cinder's log tells why${server.phase === 'Copying' ? '. Volumes in use may need strategy: Cold' : ''}`);
  }
  if (snapshot.status !== 'available') return { disk, message: `the snapshot is ${snapshot.status}` };
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
  if (known === undefined && volume.status !== 'available') return { disk, message: `the copy of the volume is ${volume.status}` };
  const image = known ?? await volumes.uploadToImage(volume.id, { name, diskFormat: 'raw' }, signal);
  return { disk: { ...disk, step: 'Exporting', image }, message: 'the cloud makes an image of the copy' };
}

async function awaitImage(server: ServerMigration, disk: DiskMigration, { cloud }: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  // Before the image is looked at: who makes one is done only after it is active.
  const isMaking = await isBeingMade(server, disk, cloud, signal);
  const image = await cloud.image.image(disk.image ?? '', signal);
  if (image === undefined || image.status === 'deleted' || image.status === 'killed' || image.status === 'pending_delete') return anew(disk, `the image is ${image?.status ?? 'gone'}`);
  if (image.status !== 'active' && isMaking) return { disk, message: `the image is ${image.status}` };
  if (image.status !== 'active') {
    await cloud.image.deleteImage(image.id, signal);
    const { image: _, ...rest } = disk;
    return { disk: { ...rest, step: disk.clone === undefined ? 'Waiting' : 'Cloning' }, message: `nobody in the cloud makes the image any more, which is ${image.status}: it is made anew` };
  }
  if (image.diskFormat !== 'raw' && image.diskFormat !== 'qcow2') throw new MigrationError('SourceFault', `the cloud makes images of format ${image.diskFormat ?? 'unknown'} of its servers, and only raw and qcow2 can be copied`);
  return { disk: { ...disk, step: 'Copying' } };
}

/** A service of the cloud that was restarted has forgotten it, and leaves an image that never comes to be. */
async function isBeingMade({ id = '' }: ServerMigration, { clone }: DiskMigration, { compute, volume }: StepContext['cloud'], signal: AbortSignal): Promise<boolean> {
  if (clone === undefined) return (await compute.server(id, signal))?.task !== undefined;
  return (await volume?.volume(clone, signal))?.status === 'uploading';
}

/** Removes what the cloud has of a copy and is not needed any more, so that it takes no space there meanwhile. What does not go at once is left to the end. */
export async function tidyExport(disk: DiskMigration, { cloud }: StepContext, signal: AbortSignal): Promise<DiskMigration> {
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
