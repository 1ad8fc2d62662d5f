import type { DiskCopyProgress } from '../../src/api/disk-copies.ts';
import { copyDisk, startOf, verifyCopy, type CopyOptions } from '../../src/agent/disk-copy.ts';
import { DiskTarget, type DiskTargetOptions } from '../../src/agent/disk-target.ts';
import { systemClock } from '../../src/base/clock.ts';
import { OpenStackCloud } from '../../src/openstack/cloud.ts';
import { parseClouds } from '../../src/openstack/clouds.ts';
import { openDiskImage, type DiskImageOptions } from '../../src/openstack/disk/disk-image.ts';

export interface CopyTask extends Pick<DiskImageOptions, 'image' | 'format' | 'folder'> {
  readonly clouds: string;
  readonly target: DiskTargetOptions;
  readonly from?: DiskCopyProgress;
}

/** Copies a disk as an agent does, and notes after each segment how far it is. */
export async function runCopyTask({ clouds, image, format, folder, target: place, from }: CopyTask, note: (progress: DiskCopyProgress) => void): Promise<DiskCopyProgress> {
  const { signal } = new AbortController();
  await using target = await DiskTarget.open(place);
  const options: CopyOptions = { target, clock: systemClock, signal, checkpointMs: 0, checkpoint: async (progress) => note(progress) };
  const start = startOf(image, place.sizeBytes, from);
  if (start.phase === 'Verifying') return await verifyCopy(start, options);
  await using cloud = await OpenStackCloud.connect(parseClouds(clouds), { signal });
  await using disk = await openDiskImage(cloud.image, { image, format, folder, clock: systemClock, signal });
  return await verifyCopy(await copyDisk(disk, start, options), options);
}
