import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';

/** A folder of small JSON files, one a key, each written whole or not at all. Read once, then kept in memory too. */
export class StateFolder<T> {
  readonly #path: string;
  readonly #entries = new Map<string, T>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads what is there. Files that are cut short or no JSON are removed. */
  async load(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#path)) {
      const file = join(this.#path, name);
      if (!name.endsWith('.json')) {
        await rm(file, { force: true });
        continue;
      }
      try {
        this.#entries.set(decodeURIComponent(name.slice(0, -'.json'.length)), JSON.parse(await readFile(file, 'utf8')) as T);
      } catch (error) {
        if (errnoOf(error) !== undefined) throw error;
        await rm(file, { force: true });
      }
    }
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  entries(): readonly (readonly [string, T])[] {
    return [...this.#entries];
  }

  async set(key: string, value: T): Promise<void> {
    const file = this.#file(key);
    await writeFile(`${file}.new`, JSON.stringify(value), { mode: 0o600 });
    await rename(`${file}.new`, file);
    this.#entries.set(key, value);
  }

  async delete(key: string): Promise<void> {
    await rm(this.#file(key), { force: true });
    this.#entries.delete(key);
  }

  #file(key: string): string {
    return join(this.#path, `${encodeURIComponent(key)}.json`);
  }
}
