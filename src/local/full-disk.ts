import { dirname } from 'node:path';
import { statfs } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import { LocalError } from './errors.ts';

/** Less than this is as good as nothing, in bytes: etcd and containerd stop first. */
const fullBelowBytes = 64 * 1024 * 1024;

/** What an error means when a disk is full: a LocalError `DiskFull` that says which; any other error as it is. */
export async function explainFullDisk(error: unknown, folders: readonly string[]): Promise<unknown> {
  if (error instanceof LocalError && error.code === 'DiskFull') return error;
  if (!/ENOSPC|EDQUOT|no space left on device|disk quota exceeded/i.test(messageOf(error))) return error;
  const free = await Promise.all(folders.map(async (folder) => ({ folder, bytes: await freeBytes(folder) })));
  const full = free.filter(({ bytes }) => bytes < fullBelowBytes);
  const where = (full.length > 0 ? full : free).map(({ folder, bytes }) => `${folder} (${Math.floor(bytes / 1024 / 1024)} MiB free)`).join(' and ');
  return new LocalError('DiskFull', `The disk is full. Make room at ${where}, or choose other folders with --cache and --state-root.`, { cause: error });
}

/** Bytes that can still be written at a folder, or where it would be made. */
export async function freeBytes(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined);
  if (found !== undefined) return found.bavail * found.bsize;
  return folder === dirname(folder) ? 0 : freeBytes(dirname(folder));
}
