import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';

interface CacheOptions {
  /** What the file is called, such as `tiny.tar`. */
  readonly name: string;
  readonly cacheFolder: string;
  /** What the result depends on, beside this host's distribution and architecture. */
  readonly inputs: readonly string[];
}

export interface BuildOptions extends CacheOptions {
  /** Makes the file's bytes; `folder` is empty and removed afterwards. */
  readonly build: (folder: string) => Promise<Buffer>;
}

export interface BuildAllOptions extends CacheOptions {
  /** How many results stay in this folder; the oldest go. Default: all. */
  readonly keep?: number;
  /** Makes the bytes of several files by their names, among them `name`. */
  readonly build: (folder: string) => Promise<Readonly<Record<string, Buffer | string>>>;
}

/** Builds left behind by a killed process are removed after this long, in milliseconds. */
const abandonedAfterMs = 60 * 60 * 1000;

/** The path of the built file: from the cache, or built now and put there in one step. Several processes may do so at once. */
export function cachedBuild(options: BuildOptions): Promise<string> {
  return cachedFiles({ ...options, build: async (folder) => ({ [options.name]: await options.build(folder) }) });
}

/** The same for several files side by side; the path of the one called `name`. */
export async function cachedFiles(options: BuildAllOptions): Promise<string> {
  const { cacheFolder, name } = options;
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const key = createHash('sha256').update([name, arch(), system, ...options.inputs].join('\0')).digest('hex').slice(0, 16);
  const path = join(cacheFolder, key, name);
  if (await exists(path)) return path;
  await mkdir(join(cacheFolder, key), { recursive: true });
  await removeAbandoned(cacheFolder);
  const folder = await mkdtemp(join(cacheFolder, 'building-'));
  try {
    const work = join(folder, 'work');
    await mkdir(work);
    const files = Object.entries(await options.build(work));
    for (const [file, content] of files) await writeFile(join(folder, file), content);
    // The one that tells that all are there comes last.
    const names = [...files.map(([file]) => file).filter((file) => file !== name), name];
    for (const file of names) await rename(join(folder, file), join(cacheFolder, key, file));
    if (options.keep !== undefined) await removeOldest(cacheFolder, options.keep);
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what killed processes have left in the folder. */
export async function removeAbandoned(cacheFolder: string): Promise<void> {
  const now = Date.now();
  for (const entry of await readdir(cacheFolder)) {
    if (!entry.startsWith('building-')) continue;
    const age = await stat(join(cacheFolder, entry)).then(({ mtimeMs }) => now - mtimeMs, () => 0);
    if (age > abandonedAfterMs) await rm(join(cacheFolder, entry), { recursive: true, force: true });
  }
}

async function removeOldest(cacheFolder: string, keep: number): Promise<void> {
  const names = (await readdir(cacheFolder)).filter((name) => !name.startsWith('building-'));
  const found = await Promise.all(names.map(async (name) => ({ name, madeAt: await stat(join(cacheFolder, name)).then(({ mtimeMs }) => mtimeMs, () => 0) })));
  for (const { name } of found.sort((a, b) => b.madeAt - a.madeAt).slice(keep)) await rm(join(cacheFolder, name), { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
