import { chmod, chown, mkdir, open, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { Readable } from 'node:stream';
import { errnoOf } from '../../src/base/errors.ts';
import { run } from '../../src/base/process.ts';
import type { FolderOptions, PodFiles, VolumeFile } from '../../src/container/pod-files.ts';

/** Files of pods on this machine, for tests of pods against a runtime of this machine. Symbolic links are not guarded against. */
export class LocalPodFiles implements PodFiles {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async makeFolder(path: string, { mode, group, memory }: FolderOptions): Promise<void> {
    const folder = this.#at(path);
    await mkdir(folder, { recursive: true });
    if (memory !== undefined && (await stat(folder)).dev === (await stat(dirname(folder))).dev) {
      await run('mount', ['-t', 'tmpfs', '-o', `nosuid,nodev${memory.sizeBytes === undefined ? '' : `,size=${memory.sizeBytes}`}`, 'pod', folder]);
    }
    if (group !== undefined) await chown(folder, 0, group);
    await chmod(folder, mode | (group === undefined ? 0 : 0o2000));
  }

  async writeVolume(path: string, files: readonly VolumeFile[], options: { readonly group?: number } = {}): Promise<void> {
    const folder = this.#at(path);
    await mkdir(folder, { recursive: true });
    const before = await readlink(join(folder, '..data')).catch(() => undefined);
    if (before !== undefined && await holds(join(folder, before), files)) return;
    const name = `..${new Date().toISOString()}${Math.random()}`;
    for (const { path: file, mode, owner = 0, content } of files) {
      if (normalize(file).startsWith('..') || file.startsWith('/')) throw new Error(`${file} cannot be in a volume`);
      const full = join(folder, name, file);
      await mkdir(dirname(full), { recursive: true });
      await writeFile(full, content);
      if (owner !== 0 || options.group !== undefined) await chown(full, owner, options.group ?? 0);
      await chmod(full, options.group === undefined ? mode : mode | 0o440);
    }
    await mkdir(join(folder, name), { recursive: true });
    await symlink(name, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    const parts = new Set(files.map((file) => file.path.split('/')[0] ?? ''));
    for (const entry of await readdir(folder)) if (!parts.has(entry) && entry !== '..data' && entry !== name) await rm(join(folder, entry), { recursive: true });
    for (const part of parts) await symlink(`..data/${part}`, join(folder, part)).catch(unless('EEXIST'));
  }

  async writeFile(path: string, content: Buffer | string, mode: number): Promise<void> {
    const file = this.#at(path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, mode);
  }

  async readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const content = await readFile(this.#at(path)).catch(unless('ENOENT'));
    return content?.subarray(Math.max(content.length - maxBytes, 0));
  }

  async readFrom(path: string, offset: number): Promise<Readable | undefined> {
    const file = await open(this.#at(path)).catch(unless('ENOENT'));
    const end = (await file?.stat())?.size ?? 0;
    if (file === undefined || offset < end) return file?.createReadStream({ start: offset, end: end - 1 });
    await file.close();
    return Readable.from([]);
  }

  async stat(path: string): Promise<{ readonly sizeBytes: number; readonly inode: number } | undefined> {
    const found = await stat(this.#at(path)).catch(unless('ENOENT'));
    return found === undefined ? undefined : { sizeBytes: found.size, inode: found.ino };
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#at(from), this.#at(to));
  }

  async list(path: string): Promise<readonly string[]> {
    return (await readdir(this.#at(path)).catch(unless('ENOENT')) ?? []).sort();
  }

  async usage(path: string): Promise<number> {
    return Number((await run('du', ['-s', '-B1', this.#at(path)])).split('\t')[0]);
  }

  async remove(path: string): Promise<void> {
    const folder = this.#at(path);
    const points = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '').filter((point) => `${point}/`.startsWith(`${folder}/`));
    for (const point of points.reverse()) await run('umount', ['-l', point]);
    await rm(folder, { recursive: true, force: true });
  }

  #at(path: string): string {
    const full = join(this.root, path);
    if (!`${full}/`.startsWith(`${this.root}/`)) throw new Error(`${path} leaves the pods' folder`);
    return full;
  }
}

/** Whether the folder has exactly these files. */
async function holds(folder: string, files: readonly VolumeFile[]): Promise<boolean> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  if (entries.filter((entry) => entry.isFile()).length !== files.length) return false;
  const same = await Promise.all(files.map(async ({ path, content }) => (await readFile(join(folder, path)).catch(() => undefined))?.equals(content) === true));
  return !same.includes(false);
}

/** Passes over one kind of error. */
function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if (errnoOf(error) !== code) throw error;
  };
}
