import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What an archive holds. Owner is root and the time is 0 everywhere, so that the same content gives the same bytes. */
export type TreeEntry =
  | { readonly kind: 'file'; readonly mode: number; readonly content: Buffer }
  | { readonly kind: 'folder'; readonly mode: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'device'; readonly mode: number; readonly major: number; readonly minor: number };

/** Entries by path without a leading slash. */
export class FileTree {
  readonly #entries = new Map<string, TreeEntry>();

  folder(path: string, mode = 0o755): this {
    return this.#add(path, { kind: 'folder', mode });
  }

  file(path: string, content: Buffer | string, mode = 0o644): this {
    return this.#add(path, { kind: 'file', mode, content: Buffer.from(content) });
  }

  link(path: string, target: string): this {
    return this.#add(path, { kind: 'link', target });
  }

  characterDevice(path: string, major: number, minor: number, mode = 0o600): this {
    return this.#add(path, { kind: 'device', mode, major, minor });
  }

  /** A file of the host with its mode; a symbolic link is followed. */
  async copy(path: string, source: string): Promise<this> {
    const { mode } = await lstat(source);
    return this.file(path, await readFile(source), (mode & 0o170000) === 0o120000 ? 0o755 : mode & 0o777);
  }

  /** A whole folder of the host, links as links. */
  async copyFolder(path: string, source: string): Promise<this> {
    for (const entry of await readdir(source, { withFileTypes: true })) {
      const from = join(source, entry.name);
      const to = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) await this.folder(to).copyFolder(to, from);
      else if (entry.isSymbolicLink()) this.link(to, await readlink(from));
      else if (entry.isFile()) await this.copy(to, from);
    }
    return this;
  }

  /** Sorted by path, so that a folder comes before what is in it. */
  entries(): readonly (readonly [string, TreeEntry])[] {
    return [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #add(path: string, entry: TreeEntry): this {
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    if (parent !== '' && !this.#entries.has(parent)) this.folder(parent);
    this.#entries.set(path, entry);
    return this;
  }
}
