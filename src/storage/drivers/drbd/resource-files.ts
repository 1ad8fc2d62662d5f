import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { idOfResource } from './ids.ts';

/** Files that DRBD's programs read, also when the kernel calls them for help. */
export class ResourceFiles {
  readonly #folder: string;

  constructor(folder = '/etc/drbd.d') {
    this.#folder = folder;
  }

  async read(resource: string): Promise<string | undefined> {
    return readFile(this.#path(resource), 'utf8').catch(nothing);
  }

  async write(resource: string, text: string): Promise<void> {
    // A file of another ending is read by nobody.
    await writeFile(`${this.#path(resource)}.new`, text, { mode: 0o600 });
    await rename(`${this.#path(resource)}.new`, this.#path(resource));
  }

  async remove(resource: string): Promise<void> {
    await rm(this.#path(resource), { force: true });
  }

  /** Resources of ours that have a file. */
  async list(): Promise<readonly string[]> {
    const names = await readdir(this.#folder).catch(nothing) ?? [];
    return names.filter((name) => name.endsWith('.res')).map((name) => name.slice(0, -'.res'.length)).filter((name) => idOfResource(name) !== undefined);
  }

  #path(resource: string): string {
    return join(this.#folder, `${resource}.res`);
  }
}

function nothing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
