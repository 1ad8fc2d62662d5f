import type { CephConnection } from './connection.ts';
import type { Place } from './catalog.ts';
import { instead } from './errors.ts';

/** What Ceph knows of an image. */
export interface ImageInfo {
  readonly id: string;
  readonly sizeBytes: number;
  /** Pool, image and snapshot. */
  readonly parent: readonly [string, string, string] | null;
  readonly snapshots: readonly string[];
  /** Snapshots that were removed, and are kept for clones. */
  readonly trashed: number;
  /** Addresses of those who may write to it now, or could until a moment ago. */
  readonly watchers: readonly string[];
}

/** Content of many terabytes takes its time to be removed or copied. */
const LONG = { timeoutMs: 6 * 3_600_000 };

/** RADOS block device images of one pool and namespace. Rejects with CephError. */
export class Images {
  readonly #connection: CephConnection;
  readonly place: Place;

  constructor(connection: CephConnection, place: Place) {
    this.#connection = connection;
    this.place = place;
  }

  names(): Promise<readonly string[]> {
    return this.#call<readonly string[]>('images', {});
  }

  /** Undefined when there is no such image, or not all of it. */
  info(name: string): Promise<ImageInfo | undefined> {
    return this.#call<ImageInfo | undefined>('image', { name }).catch(instead(undefined, 'ENOENT'));
  }

  /** As in ImageInfo, alone; none when there is no such image. */
  watchers(name: string): Promise<readonly string[]> {
    return this.#call<readonly string[]>('watchers', { name }).catch(instead([], 'ENOENT'));
  }

  /** Offsets and lengths of all that may be otherwise than in the snapshot, in their order; undefined when there is no such snapshot. */
  changed(name: string, since: string): Promise<readonly (readonly [offset: number, length: number])[] | undefined> {
    return this.#call<readonly (readonly [number, number])[] | undefined>('changed_ranges', { name, since }, LONG).catch(instead(undefined, 'ENOENT'));
  }

  async create(name: string, sizeBytes: number): Promise<void> {
    await this.#call('create_image', { name, sizeBytes });
  }

  async clone(parent: string, snapshot: string, name: string): Promise<void> {
    await this.#call('clone_image', { parent, snapshot, name });
  }

  /** Nothing when it is as large already. */
  async grow(name: string, sizeBytes: number): Promise<void> {
    await this.#call('grow_image', { name, sizeBytes });
  }

  /** Copies all that it shares with its parent. */
  async flatten(name: string): Promise<void> {
    // Which has no parent any more says so by this.
    await this.#call('flatten_image', { name }, LONG).catch(instead(undefined, 'EINVAL'));
  }

  /** True: it is gone. False: it is in use, or something depends on it. */
  remove(name: string): Promise<boolean> {
    return this.#call('remove_image', { name }, LONG).then(() => true).catch(instead(true, 'ENOENT')).catch(instead(false, 'EBUSY', 'ENOTEMPTY', 'EAGAIN'));
  }

  /** As it was at some time since somebody asked first. */
  async snapshot(name: string, snapshot: string): Promise<void> {
    await this.#call('create_snapshot', { name, snapshot }).catch(instead(undefined, 'EEXIST'));
  }

  /** Clones of it keep what they need. */
  async removeSnapshot(name: string, snapshot: string): Promise<void> {
    await this.#call('remove_snapshot', { name, snapshot }).catch(instead(undefined, 'ENOENT'));
  }

  /** Removes what is kept of snapshots for clones that are gone: whoever removes the last of these does, unless it is killed before. */
  async purgeSnapshots(name: string): Promise<void> {
    await this.#call('purge_snapshots', { name }).catch(instead(undefined, 'ENOENT'));
  }

  #call<T>(name: string, args: object, options: { readonly timeoutMs?: number } = {}): Promise<T> {
    return this.#connection.call<T>(name, { ...this.place, ...args }, options);
  }
}
