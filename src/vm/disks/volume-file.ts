import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { ImageError } from '../port.ts';

/** As KubeVirt names it, so that its volumes are taken as they are. */
export const VOLUME_FILE = 'disk.img';
/** Of what a volume is said to have, file systems keep some for themselves. */
const USABLE = 0.94;
const MEBIBYTE = 2 ** 20;

/** Bytes of a disk in a volume of this capacity. */
export function volumeFileBytes(capacityBytes: number): number {
  return Math.max(MEBIBYTE, Math.floor((capacityBytes * USABLE) / MEBIBYTE) * MEBIBYTE);
}

/** The disk in a volume that is a folder: its file disk.img, made, sparse, when there is none. Rejects with an ImageError. */
export async function ensureVolumeFile(folder: string, { capacityBytes, readOnly }: { readonly capacityBytes: number; readonly readOnly: boolean }): Promise<string> {
  const path = join(folder, VOLUME_FILE);
  const there = await stat(path).then(() => true, (error: unknown) => (errnoOf(error) === 'ENOENT' ? false : Promise.reject(error as Error)));
  if (there) return path;
  if (readOnly) throw new ImageError('ImageNotFound', `the volume has no file ${VOLUME_FILE}, and none can be made since the disk is read-only`, { disposition: 'stalled' });
  const temporary = `${path}.new`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.truncate(volumeFileBytes(capacityBytes));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT') throw new ImageError('DiskFull', `no space for ${VOLUME_FILE} in the volume; let its claim ask for more storage`, { cause: error, disposition: 'retry' });
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return path;
}
