import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { ImageError, type ImageReference, type ImageStore, type ImportedImage, type ImportProgress } from '../port.ts';
import { unpackArchive, verifyDisk } from './format.ts';
import { fetchImage, imageError } from './source.ts';

export interface ImageStoreOptions {
  /** Folder of this node that holds the images, one folder an image. */
  readonly folder: string;
  /** Larger images are refused. Default 256 GiB. */
  readonly maximumBytes?: number;
}

interface Flight {
  readonly result: Promise<ImportedImage>;
  readonly listeners: Set<(progress: ImportProgress) => void>;
  readonly abort: AbortController;
  waiting: number;
}

/** Written last; says that the folder's image is whole. */
const manifestName = 'image.json';

/** Images as folders `<hash of key>/`, made under another name and renamed once they are whole. */
export class FolderImageStore implements ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #flights = new Map<string, Flight>();

  constructor(options: ImageStoreOptions) {
    this.#options = options;
  }

  async ensure(image: ImageReference, options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: ImportProgress) => void } = {}): Promise<ImportedImage> {
    options.signal?.throwIfAborted();
    const folder = join(this.#options.folder, folderName(image.key));
    const existing = await readManifest(folder);
    if (existing !== undefined) return existing;
    const flight = this.#flights.get(image.key) ?? this.#take(image, folder);
    if (options.onProgress !== undefined) flight.listeners.add(options.onProgress);
    flight.waiting++;
    const leave = () => {
      flight.waiting--;
      // The import ends with its last caller.
      if (flight.waiting === 0) flight.abort.abort(options.signal?.reason);
    };
    options.signal?.addEventListener('abort', leave, { once: true });
    try {
      return await (options.signal === undefined ? flight.result : Promise.race([flight.result, rejection(options.signal)]));
    } finally {
      options.signal?.removeEventListener('abort', leave);
      if (options.onProgress !== undefined) flight.listeners.delete(options.onProgress);
    }
  }

  async prune(keys: ReadonlySet<string>): Promise<number> {
    const keep = new Set([...keys, ...this.#flights.keys()].map(folderName));
    let removed = 0;
    for (const name of await readdir(this.#options.folder).catch(() => [])) {
      if (!/^[0-9a-f]{32}$/.test(name) || keep.has(name)) continue;
      await rm(join(this.#options.folder, name), { recursive: true, force: true });
      removed++;
    }
    return removed;
  }

  #take(image: ImageReference, folder: string): Flight {
    const listeners = new Set<(progress: ImportProgress) => void>();
    const abort = new AbortController();
    const result = this.#import(image, folder, abort.signal, (progress) => {
      for (const listener of listeners) listener(progress);
    }).finally(() => this.#flights.delete(image.key));
    result.catch(() => {});
    const flight: Flight = { result, listeners, abort, waiting: 0 };
    this.#flights.set(image.key, flight);
    return flight;
  }

  async #import(image: ImageReference, folder: string, signal: AbortSignal, onProgress: (progress: ImportProgress) => void): Promise<ImportedImage> {
    const maximumBytes = this.#options.maximumBytes ?? 256 * 1024 ** 3;
    // A folder of this process alone; two processes that import the same image both succeed, and the first rename wins.
    const work = `${folder}.import-${process.pid}`;
    try {
      await mkdir(this.#options.folder, { recursive: true });
      await this.#removeLeftovers();
      await rm(work, { recursive: true, force: true });
      await mkdir(work);
      const download = join(work, image.format === 'tar' ? 'archive' : `disk.${image.format}`);
      await fetchImage(image, download, { maximumBytes, signal, onProgress });
      const tar = image.format === 'tar';
      const virtualSizeBytes = tar ? await unpackArchive(image, download, join(work, 'files'), maximumBytes, signal) : await verifyDisk(image, download, signal);
      if (tar) await rm(download);
      const file = tar ? 'files' : `disk.${image.format}`;
      await writeFile(join(work, manifestName), JSON.stringify({ key: image.key, file, format: image.format, virtualSizeBytes }));
      signal.throwIfAborted();
      await rename(work, folder).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
      });
      const imported = await readManifest(folder);
      if (imported === undefined) throw new ImageError('ImageInvalid', `${folder} is no image folder; remove it`, { disposition: 'stalled' });
      return imported;
    } catch (error) {
      signal.throwIfAborted();
      throw imageError(image, error);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  /** Imports of processes that are gone. */
  async #removeLeftovers(): Promise<void> {
    for (const name of await readdir(this.#options.folder)) {
      const pid = /\.import-(\d+)$/.exec(name)?.[1];
      if (pid === undefined || Number(pid) === process.pid || (await isAlive(pid))) continue;
      await rm(join(this.#options.folder, name), { recursive: true, force: true });
    }
  }
}

async function isAlive(pid: string): Promise<boolean> {
  return stat(`/proc/${pid}`).then(() => true, () => false);
}

async function readManifest(folder: string): Promise<ImportedImage | undefined> {
  try {
    const { file, format, virtualSizeBytes } = JSON.parse(await readFile(join(folder, manifestName), 'utf8')) as { file: string; format: ImageReference['format']; virtualSizeBytes: number };
    return { path: join(folder, file), format, virtualSizeBytes };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
}

function folderName(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}
