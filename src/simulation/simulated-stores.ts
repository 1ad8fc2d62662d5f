import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CloudInitSeed, DiskStore, GuestDisk, ImageReference, ImageStore, ImportedImage } from '../vm/port.ts';

/** Images that were imported the moment they are asked for, and hold nothing. */
export class SimulatedImages implements ImageStore {
  ensure({ key, format }: ImageReference): Promise<ImportedImage> {
    return Promise.resolve({ path: `/simulated/images/${encodeURIComponent(key)}`, format, virtualSizeBytes: 0 });
  }

  prune(): Promise<number> {
    return Promise.resolve(0);
  }
}

/** Disks by name alone. Only the file of each console is real, and stays empty: what passes consoles on watches files. */
export class SimulatedDisks implements DiskStore {
  readonly #folder: string;
  readonly #guests = new Set<string>();

  /** `folder` is for the consoles; its owner removes it. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  ensureOverlay(guest: string, disk: string): Promise<GuestDisk> {
    return this.#disk(guest, disk, 'qcow2');
  }

  ensureBlank(guest: string, disk: string): Promise<GuestDisk> {
    return this.#disk(guest, disk, 'qcow2');
  }

  ensureSeed(guest: string, _seed: CloudInitSeed): Promise<GuestDisk> {
    return this.#disk(guest, 'cidata', 'raw');
  }

  async keepMetadata(): Promise<void> {}

  metadata(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async consoleLogPath(guest: string): Promise<string> {
    const path = join(this.#folder, `${guest}.log`);
    if (this.#guests.has(guest)) return path;
    this.#guests.add(guest);
    await mkdir(this.#folder, { recursive: true });
    await writeFile(path, '', { flag: 'a' });
    return path;
  }

  async remove(guest: string): Promise<void> {
    await rm(join(this.#folder, `${guest}.log`), { force: true });
    this.#guests.delete(guest);
  }

  guests(): Promise<readonly string[]> {
    return Promise.resolve([...this.#guests]);
  }

  #disk(guest: string, name: string, format: GuestDisk['format']): Promise<GuestDisk> {
    return Promise.resolve({ name, path: `/simulated/guests/${guest}/${name}`, format, readOnly: format === 'raw', device: 'disk' });
  }
}
