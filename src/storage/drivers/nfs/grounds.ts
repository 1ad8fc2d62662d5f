import { statfs } from 'node:fs/promises';
import { BtrfsGround } from './btrfs-ground.ts';
import type { Ground } from './ground.ts';
import { PlainGround } from './plain-ground.ts';

/** btrfs's f_type, https://man7.org/linux/man-pages/man2/statfs.2.html */
const BTRFS_MAGIC = 0x9123683e;

/** Rejects with what statfs says when there is no such folder. */
export async function groundOf(folder: string): Promise<Ground> {
  const { type } = await statfs(folder);
  return type === BTRFS_MAGIC ? BtrfsGround.open(folder) : new PlainGround(folder);
}
