import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { Catalog } from './catalog.ts';
import type { CephConnection } from './connection.ts';
import type { ImageInfo, Images } from './images.ts';

/** Images that are tried again each time; some may be needed for long. */
const TRIED = 8;

/** Images whose volumes are gone: each goes as soon as no snapshot, no copy and nobody who has it open needs it. */
export class RemovedImages {
  readonly #images: Images;
  readonly #log: Log;
  readonly #records: Catalog<object>;

  constructor(connection: CephConnection, images: Images) {
    this.#images = images;
    this.#log = connection.log;
    this.#records = new Catalog(connection, images.place, 'removed');
  }

  async names(): Promise<readonly string[]> {
    return (await this.#records.all()).map(([name]) => name);
  }

  async add(image: string): Promise<void> {
    await this.#records.put(image, {});
  }

  /** Tries this one, and some of those that are left. Nobody misses any of them: what cannot go now is tried again. */
  async sweep(image: string | undefined): Promise<void> {
    const left = (await this.names()).filter((name) => name !== image);
    const first = Math.floor(Math.random() * left.length);
    const others = [...left.slice(first), ...left.slice(0, first)].slice(0, TRIED);
    for (const next of [...(image === undefined ? [] : [image]), ...others]) {
      await this.#try(next).catch((error: unknown) => this.#log.warn({ image: next, error: messageOf(error) }, 'an image that nobody needs cannot be removed yet'));
    }
  }

  /** Removes it, and what was there for it alone. */
  async #try(image: string): Promise<void> {
    for (let next: string | undefined = image; next !== undefined && await this.#records.get(next) !== undefined;) {
      const info = await this.#images.info(next);
      if (info !== undefined && !await this.#isFree(next, info) || !await this.#images.remove(next)) return;
      await this.#records.remove(next);
      next = info?.parent?.[1];
    }
  }

  async #isFree(image: string, { snapshots, watchers, trashed }: ImageInfo): Promise<boolean> {
    if (snapshots.length > 0 || watchers.length > 0) return false;
    if (trashed > 0) await this.#images.purgeSnapshots(image);
    return true;
  }
}
