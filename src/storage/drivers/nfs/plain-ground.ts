import { chmod, mkdir, rm, statfs } from 'node:fs/promises';
import { StorageError } from '../../port.ts';
import type { Ground } from './ground.ts';

/** Folders among folders: nobody keeps count of what is in them. */
export class PlainGround implements Ground {
  readonly kind = 'plain';
  readonly isRich = false;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async make(tree: string, mode: number): Promise<void> {
    await mkdir(tree, { recursive: true });
    await chmod(tree, mode);
  }

  async copy(): Promise<void> {
    throw new StorageError('Unsupported', `volumes in ${this.#folder} have no snapshots and no clones: its file system is not btrfs`);
  }

  async remove(tree: string): Promise<void> {
    await rm(tree, { recursive: true, force: true, maxRetries: 3 });
  }

  async limit(): Promise<void> {}

  async availableBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize;
  }
}
