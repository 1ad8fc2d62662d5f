import { Catalog } from './catalog.ts';
import type { CephConnection } from './connection.ts';
import type { Images } from './images.ts';

/** Images that are tried again each time; some may be needed for long. */
const TRIED = 8;

/** Images whose volumes are gone: each goes as soon as no snapshot, no copy and nobody who has it open needs it. */
export class RemovedImages {
  readonly #images: Images;
  readonly #records: Catalog<object>;

  constructor(connection: CephConnection, images: Images) {
    this.#images = images;
    this.#records = new Catalog(connection, images.place, 'removed');
  }

  async add(image: string): Promise<void> {
    await this.#records.put(image, {});
  }

  /** Tries this one, and some of those that are left; none of them is missed by anybody. */
  async sweep(image: string | undefined): Promise<void> {
    const left = (await this.#records.all()).map(([name]) => name).filter((name) => name !== image);
    const first = Math.floor(Math.random() * left.length);
    const others = [...left.slice(first), ...left.slice(0, first)].slice(0, TRIED);
    for (const next of [...(image === undefined ? [] : [image]), ...others]) await this.#try(next);
  }

  /** Removes it, and what was there for it alone. */
  async #try(image: string): Promise<void> {
    for (let next: string | undefined = image; next !== undefined;) {
      if (await this.#records.get(next) === undefined) return;
      const info = await this.#images.info(next);
      const needed = info !== undefined && info.snapshots.length + info.watchers.length > 0;
      if (needed || !await this.#images.remove(next)) return;
      await this.#records.remove(next);
      next = info?.parent?.[1];
    }
  }
}
