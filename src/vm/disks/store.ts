import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, messageOf, YadoError } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import { KeyedQueue } from '../keyed-queue.ts';
import { ImageError, SEED_DISK, type CloudInitSeed, type DiskStore, type GuestDisk, type ImportedImage } from '../port.ts';
import { openStackTree } from './openstack-tree.ts';
import { seedDigest, seedFiles, seedLabel } from './seed.ts';

const METADATA_FILE = 'metadata.json';

/** Disks as files `<root>/<guest>/<disk>.qcow2`; each is made under another name and renamed once it is whole. */
export class FolderDiskStore implements DiskStore {
  readonly #root: string;
  readonly #turns = new KeyedQueue();

  /** `root` is a folder of this node. */
  constructor(root: string) {
    this.#root = root;
  }

  ensureOverlay(guest: string, disk: string, backing: ImportedImage, sizeBytes: number, signal?: AbortSignal): Promise<GuestDisk> {
    if (backing.format === 'tar') return Promise.reject(new ImageError('ImageInvalid', `${backing.path} is an archive and can be no disk; use it as kernelBoot`, { disposition: 'stalled' }));
    if (sizeBytes !== 0 && sizeBytes < backing.virtualSizeBytes) {
      return Promise.reject(new ImageError('ImageInvalid', `disk ${disk} of ${sizeBytes} bytes is smaller than its image of ${backing.virtualSizeBytes}; make it larger`, { disposition: 'stalled' }));
    }
    const format = backing.format === 'qcow2' ? 'qcow2' : 'raw';
    return this.#ensure(guest, disk, ['-b', backing.path, '-F', format], Math.max(sizeBytes, backing.virtualSizeBytes), signal);
  }

  ensureBlank(guest: string, disk: string, sizeBytes: number, signal?: AbortSignal): Promise<GuestDisk> {
    return this.#ensure(guest, disk, [], sizeBytes, signal);
  }

  async ensureSeed(guest: string, seed: CloudInitSeed, signal?: AbortSignal): Promise<GuestDisk> {
    const folder = await this.#folder(guest);
    const path = join(folder, 'cidata.iso');
    const files = seedFiles(seed);
    const digest = seedDigest(files);
    return this.#turns.run(path, async () => {
      const disk: GuestDisk = { name: SEED_DISK, path, format: 'raw', readOnly: true, device: 'disk' };
      if ((await exists(path)) && (await readFile(`${path}.digest`, 'utf8').catch(() => '')) === digest) return disk;
      await this.#make(path, signal, async (temporary) => {
        const content = await mkdtemp(join(folder, 'seed-'));
        try {
          for (const [name, text] of files) {
            await mkdir(dirname(join(content, name)), { recursive: true });
            await writeFile(join(content, name), text, { mode: 0o600 });
          }
          await run('genisoimage', ['-quiet', '-V', seedLabel(seed), '-J', '-R', '-o', temporary, content], { timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) });
        } finally {
          await rm(content, { recursive: true, force: true });
        }
      });
      await writeFile(`${path}.digest`, digest);
      return disk;
    }, signal);
  }

  async keepMetadata(guest: string, seed: CloudInitSeed): Promise<void> {
    const path = join(await this.#folder(guest), METADATA_FILE);
    await this.#make(path, undefined, (temporary) => writeFile(temporary, JSON.stringify([...openStackTree(seed)]), { mode: 0o600 }));
  }

  async metadata(guest: string): Promise<ReadonlyMap<string, string> | undefined> {
    try {
      return new Map(JSON.parse(await readFile(join(this.#path(guest), METADATA_FILE), 'utf8')) as readonly (readonly [string, string])[]);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async consoleLogPath(guest: string): Promise<string> {
    return join(await this.#folder(guest), 'console.log');
  }

  async remove(guest: string): Promise<void> {
    await rm(this.#path(guest), { recursive: true, force: true, maxRetries: 3 });
  }

  async guests(): Promise<readonly string[]> {
    try {
      return (await readdir(this.#root, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async #ensure(guest: string, disk: string, options: readonly string[], sizeBytes: number, signal?: AbortSignal): Promise<GuestDisk> {
    const path = join(await this.#folder(guest), `${safe(disk)}.qcow2`);
    return this.#turns.run(path, async () => {
      const result: GuestDisk = { name: disk, path, format: 'qcow2', readOnly: false, device: 'disk' };
      if (await exists(path)) return result;
      // A guest's disk is a whole number of sectors.
      const size = Math.ceil(sizeBytes / 512) * 512;
      await this.#make(path, signal, async (temporary) => {
        await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', ...options, temporary, String(size)], { timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) });
      });
      return result;
    }, signal);
  }

  async #make(path: string, signal: AbortSignal | undefined, work: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = `${path}.new-${process.pid}`;
    try {
      await work(temporary);
      await rename(temporary, path);
    } catch (error) {
      signal?.throwIfAborted();
      if (errnoOf(error) === 'ENOSPC' || /No space left/.test(messageOf(error))) throw new ImageError('DiskFull', `no space for ${path} on this node; free some or make its disk larger`, { cause: error, disposition: 'retry' });
      throw error;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #folder(guest: string): Promise<string> {
    const path = this.#path(guest);
    await mkdir(path, { recursive: true, mode: 0o711 });
    return path;
  }

  #path(guest: string): string {
    return join(this.#root, safe(guest));
  }
}

/** Names become file names, so they must not lead elsewhere. */
function safe(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= 200) return name;
  throw new YadoError('InvalidName', `${JSON.stringify(name)} cannot be a file name; use letters, digits, dots, dashes and underscores`, { disposition: 'terminal' });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
