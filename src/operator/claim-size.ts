import { exactBytes } from '../base/quantity.ts';

/** What a file system keeps for itself, and a file's disk leaves free. */
const FILESYSTEM_SHARE = 1.1;
const FILESYSTEM_BYTES = 16 * 2 ** 20;
const MEBIBYTE = 2 ** 20;

/** What a claim asks for that is to hold a disk of so many bytes, as Kubernetes writes it. */
export function claimSize(diskBytes: number, mode: 'Block' | 'Filesystem'): string {
  const bytes = mode === 'Block' ? diskBytes : diskBytes * FILESYSTEM_SHARE + FILESYSTEM_BYTES;
  return exactBytes(Math.ceil(bytes / MEBIBYTE) * MEBIBYTE);
}
