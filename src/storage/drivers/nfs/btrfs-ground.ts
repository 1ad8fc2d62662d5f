import { chmod, rm, stat, statfs } from 'node:fs/promises';
import { errnoOf } from '../../../base/errors.ts';
import { CommandError, run } from '../../../base/process.ts';
import { mount, mounts, unmount } from '../../mounts.ts';
import { StorageError } from '../../port.ts';
import type { Ground } from './ground.ts';

/** The inode of a subvolume's root. */
const ROOT_INODE = 256;

/** Volumes as subvolumes of btrfs, each limited by its qgroup. */
export class BtrfsGround implements Ground {
  readonly kind = 'btrfs';
  readonly isRich = true;
  readonly #folder: string;
  /** nfs-ganesha takes a subvolume for a file system only where it is mounted: upon itself. */
  readonly mounts = {
    ensure: async (trees: readonly string[]): Promise<void> => {
      const known = new Set((await mounts()).map(({ target }) => target));
      for (const tree of trees) if (!known.has(tree)) await mount({ source: tree, target: tree });
    },
    // Clients that are gone may have left files open.
    drop: (tree: string): Promise<void> => unmount(tree).catch(async () => void (await run('umount', ['--lazy', '--', tree]))),
  };

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Turns quotas on, if they are not. */
  static async open(folder: string): Promise<BtrfsGround> {
    await btrfs('qgroup', 'show', folder).catch(async () => {
      await btrfs('quota', 'enable', folder);
      await btrfs('quota', 'rescan', '-w', folder);
    });
    return new BtrfsGround(folder);
  }

  async make(tree: string, mode: number): Promise<void> {
    await btrfs('subvolume', 'create', tree);
    await chmod(tree, mode);
  }

  async copy(from: string, to: string, readOnly: boolean): Promise<void> {
    await btrfs('subvolume', 'snapshot', ...(readOnly ? ['-r'] : []), from, to);
  }

  async remove(tree: string): Promise<void> {
    const found = await stat(tree).catch(nothing);
    if (found?.ino === ROOT_INODE) {
      await this.mounts.drop(tree);
      const id = (await btrfs('inspect-internal', 'rootid', tree)).trim();
      await btrfs('subvolume', 'delete', tree);
      // Newer kernels do that by themselves, once nothing of the subvolume is left, and refuse before.
      await btrfs('qgroup', 'destroy', `0/${id}`, this.#folder).catch(() => {});
    } else {
      await rm(tree, { recursive: true, force: true });
    }
  }

  async limit(tree: string, sizeBytes: number): Promise<void> {
    await btrfs('qgroup', 'limit', String(sizeBytes), tree);
  }

  async availableBytes(sizes: ReadonlyMap<string, number>): Promise<number> {
    const [{ bavail, bsize }, shown] = await Promise.all([statfs(this.#folder), btrfs('qgroup', 'show', '--raw', this.#folder)]);
    const taken = takenOf(shown);
    const promised = [...sizes].reduce((sum, [id, bytes]) => sum + Math.max(bytes - (taken.get(id) ?? 0), 0), 0);
    return Math.max(bavail * bsize - promised, 0);
  }
}

/** Bytes of each volume, of what `btrfs qgroup show --raw` prints: qgroup, referenced, exclusive and path. */
export function takenOf(shown: string): ReadonlyMap<string, number> {
  const lines = shown.split('\n').map((line) => /^\d+\/\d+\s+(\d+)\s+\d+\s+.*\b(vol-[0-9a-f]{32})\/data\s*$/.exec(line));
  return new Map(lines.flatMap((match) => (match === null ? [] : [[match[2] ?? '', Number(match[1])] as const])));
}

async function btrfs(...args: readonly string[]): Promise<string> {
  try {
    return await run('btrfs', args);
  } catch (error) {
    if (error instanceof CommandError && errnoOf(error.cause) === 'ENOENT') throw new StorageError('Failed', 'the program btrfs is missing on this machine; install btrfs-progs', { cause: error, disposition: 'stalled' });
    if (error instanceof CommandError && /No space left|Disk quota exceeded/.test(error.stderr)) throw new StorageError('NoSpace', error.message, { cause: error });
    throw error;
  }
}

function nothing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
