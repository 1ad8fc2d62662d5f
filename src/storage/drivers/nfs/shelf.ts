import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import type { Ground } from './ground.ts';
import { checked, isId } from './ids.ts';

const RECORD = 'record.json';
const DATA = 'data';
const FILES_AT_ONCE = 32;

/**
 * A folder with a folder for each volume, or snapshot: a record and the tree itself, which nodes mount. Each comes into
 * being, and goes, by being renamed; what a killed process began and did not name yet is in folders with a dot.
 */
export class Shelf<R extends object> {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The folder is there. */
  async ensure(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
  }

  treeOf(id: string): string {
    return join(this.#folder, checked(id), DATA);
  }

  async get(id: string): Promise<(R & { readonly id: string }) | undefined> {
    if (!isId(id)) return undefined;
    const text = await readFile(join(this.#folder, id, RECORD), 'utf8').catch(nothing);
    return text === undefined ? undefined : { ...JSON.parse(text) as R, id };
  }

  /** In the order of ids. */
  async list(): Promise<readonly (R & { readonly id: string })[]> {
    const ids = ((await readdir(this.#folder).catch(nothing)) ?? []).filter(isId).sort();
    const found: (R & { readonly id: string })[] = [];
    for (let start = 0; start < ids.length; start += FILES_AT_ONCE) {
      const some = await Promise.all(ids.slice(start, start + FILES_AT_ONCE).map((id) => this.get(id)));
      found.push(...some.filter((one) => one !== undefined));
    }
    return found;
  }

  /** What `fill` makes becomes the tree. No error when somebody else was first: the caller looks at what there is. */
  async make(id: string, record: R, ground: Ground, fill: (tree: string) => Promise<void>): Promise<void> {
    const passing = this.#passing(id);
    await mkdir(passing, { recursive: true, mode: 0o755 });
    try {
      // Each waits for the disk; neither is given up while the other is still at it.
      for (const done of await Promise.allSettled([fill(join(passing, DATA)), writeRecord(passing, record)])) if (done.status === 'rejected') throw done.reason;
      await rename(passing, join(this.#folder, id));
    } catch (error) {
      await discard(passing, ground);
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    }
  }

  /** A machine that fails from now on still knows what was made. */
  async settle(): Promise<void> {
    await using handle = await open(this.#folder, 'r');
    await handle.sync();
  }

  async rewrite(id: string, record: R): Promise<void> {
    await writeRecord(join(this.#folder, checked(id)), record);
  }

  /** Gone, with what calls for it have left half-way. No error when there is none. */
  async remove(id: string, ground: Ground): Promise<void> {
    await rename(join(this.#folder, checked(id)), this.#passing(id)).catch(nothing);
    await this.sweep(ground, id);
  }

  /** Removes what was left half-way: of one id, while nothing is done for that, or of all. */
  async sweep(ground: Ground, id = ''): Promise<void> {
    const names = (await readdir(this.#folder).catch(nothing)) ?? [];
    for (const name of names.filter((one) => one.startsWith(`.${id}`))) await discard(join(this.#folder, name), ground);
  }

  /** Folders of what was left half-way, or is just being made. */
  async halves(): Promise<readonly string[]> {
    return ((await readdir(this.#folder).catch(nothing)) ?? []).filter((name) => name.startsWith('.'));
  }

  #passing(id: string): string {
    return join(this.#folder, `.${id}.${randomUUID()}`);
  }
}

async function discard(folder: string, ground: Ground): Promise<void> {
  await ground.remove(join(folder, DATA));
  await rm(folder, { recursive: true, force: true });
}

async function writeRecord(folder: string, record: object): Promise<void> {
  const { id: _, ...rest } = record as { readonly id?: string };
  const passing = join(folder, `${RECORD}.tmp`);
  await writeFile(passing, JSON.stringify(rest), { mode: 0o600, flush: true });
  await rename(passing, join(folder, RECORD));
}

function nothing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
