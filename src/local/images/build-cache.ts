import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { arch } from 'node:os';
import { errnoOf } from '../../base/errors.ts';

export interface BuildOptions {
  /** What the file is called, such as `tiny.tar`. */
  readonly name: string;
  readonly cacheFolder: string;
  /** What the result depends on, beside this host's distribution and architecture. */
  readonly inputs: readonly string[];
  /** Makes the file's bytes; `folder` is empty and removed afterwards. */
  readonly build: (folder: string) => Promise<Buffer>;
}

/** Builds left behind by a killed process are removed after this long, in milliseconds. */
const abandonedAfterMs = 60 * 60 * 1000;

/** The path of the built file: from the cache, or built now and put there in one step. Several processes may do so at once. */
export async function cachedBuild(options: BuildOptions): Promise<string> {
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
    const finished = join(folder, name);
    await writeFile(finished, await options.build(work));
    await rename(finished, path);
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeAbandoned(cacheFolder: string): Promise<void> {
  const now = Date.now();
  for (const entry of await readdir(cacheFolder)) {
    if (!entry.startsWith('building-')) continue;
    const age = await stat(join(cacheFolder, entry)).then(({ mtimeMs }) => now - mtimeMs, () => 0);
    if (age > abandonedAfterMs) await rm(join(cacheFolder, entry), { recursive: true, force: true });
  }
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
