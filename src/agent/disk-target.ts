import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, YadoError } from '../base/errors.ts';
import { VOLUME_FILE } from '../vm/disks/volume-file.ts';
import { ImageError } from '../vm/port.ts';
import type { CopyTarget } from './disk-copy.ts';
import { SEGMENT_BYTES } from './disk-segments.ts';

const { O_RDWR, O_RDONLY, O_CREAT, O_NOFOLLOW, O_DIRECT } = constants;
/** What reads past the page cache must begin at such an offset, and be of such lengths. */
const DIRECT_BYTES = 4096;

export interface DiskTargetOptions {
  /** Of the device, or of the folder that is the volume. */
  readonly path: string;
  readonly mode: 'Block' | 'Filesystem';
  readonly sizeBytes: number;
}

/**
 * The disk in a claim that a copy is made in: a device, or the file disk.img in a folder, which is made sparse. It is read
 * past the page cache, so that what is read is what the disk has, unless its file system cannot do so.
 */
export class DiskTarget implements CopyTarget, AsyncDisposable {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #file: FileHandle;
  #direct: FileHandle | undefined;
  /** Such reads need memory that begins where a page does, which that of a buffer of variable length happens to do. */
  readonly #page = Buffer.from(new ArrayBuffer(SEGMENT_BYTES, { maxByteLength: SEGMENT_BYTES }));
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(path: string, sizeBytes: number, file: FileHandle, direct: FileHandle | undefined) {
    this.#path = path;
    this.sizeBytes = sizeBytes;
    this.#file = file;
    this.#direct = direct;
  }

  /** Rejects with an ImageError, or with VolumeTooSmall. */
  static async open({ path: place, mode, sizeBytes }: DiskTargetOptions): Promise<DiskTarget> {
    const path = mode === 'Block' ? place : join(place, VOLUME_FILE);
    // Whoever had the volume before may have left a link there.
    const file = await open(path, O_RDWR | (mode === 'Block' ? 0 : O_CREAT | O_NOFOLLOW), 0o600);
    try {
      await (mode === 'Block' ? checkDevice(path, file, sizeBytes) : resize(path, file, sizeBytes));
      return new DiskTarget(path, sizeBytes, file, await openDirect(path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Whether reads are past the page cache. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /** At most a segment, that begins where one does. */
  async read(offset: number, into: Buffer): Promise<void> {
    await this.#inTurn(async () => void (await this.#read(offset, into.length)).copy(into));
  }

  /** Of at most a segment, that begins where one does. */
  holds(offset: number, data: Buffer): Promise<boolean> {
    return this.#inTurn(async () => data.equals(await this.#read(offset, data.length)));
  }

  async write(offset: number, data: Buffer): Promise<void> {
    try {
      for (let written = 0; written < data.length;) written += (await this.#file.write(data, written, data.length - written, offset + written)).bytesWritten;
    } catch (error) {
      throw spaceError(this.#path, error);
    }
  }

  async flush(): Promise<void> {
    await this.#file.datasync().catch((error: unknown) => {
      throw spaceError(this.#path, error);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    await this.#direct?.close();
    await this.#file.close();
  }

  /** There is one page for all. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Good until the next is read. */
  async #read(offset: number, lengthBytes: number): Promise<Buffer> {
    const data = this.#page.subarray(0, lengthBytes);
    if (this.#direct !== undefined && await this.#readDirect(this.#direct, offset, lengthBytes)) return data;
    for (let filled = 0; filled < lengthBytes;) {
      const { bytesRead } = await this.#file.read(data, filled, lengthBytes - filled, offset + filled);
      if (bytesRead === 0) throw this.#shorter();
      filled += bytesRead;
    }
    return data;
  }

  /** Into the page; false where the file system opens a file for it, and then does not do it. */
  async #readDirect(direct: FileHandle, offset: number, lengthBytes: number): Promise<boolean> {
    for (let filled = 0; filled < lengthBytes;) {
      try {
        // Up to the end of a file it may be less.
        const { bytesRead } = await direct.read(this.#page, filled, Math.ceil((lengthBytes - filled) / DIRECT_BYTES) * DIRECT_BYTES, offset + filled);
        if (bytesRead === 0) throw this.#shorter();
        filled += bytesRead;
      } catch (error) {
        if (errnoOf(error) !== 'EINVAL') throw error;
        this.#direct = undefined;
        await direct.close();
        return false;
      }
    }
    return true;
  }

  #shorter(): YadoError {
    return new YadoError('VolumeTooSmall', `${this.#path} has become smaller than ${this.sizeBytes} bytes`, { disposition: 'retry' });
  }
}

async function checkDevice(path: string, file: FileHandle, sizeBytes: number): Promise<void> {
  if (!(await file.stat()).isBlockDevice()) throw new YadoError('VolumeInvalid', `${path} is no block device`);
  const { bytesRead } = await file.read(Buffer.alloc(1), 0, 1, sizeBytes - 1);
  if (bytesRead === 0) throw new YadoError('VolumeTooSmall', `the volume is smaller than the disk of ${sizeBytes} bytes; let its claim ask for more storage`, { disposition: 'stalled' });
}

async function resize(path: string, file: FileHandle, sizeBytes: number): Promise<void> {
  const { size, isFile } = await file.stat().then((found) => ({ size: found.size, isFile: found.isFile() }));
  if (!isFile) throw new YadoError('VolumeInvalid', `${path} is no file`, { disposition: 'stalled' });
  if (size === sizeBytes) return;
  try {
    await file.truncate(sizeBytes);
    await file.sync();
  } catch (error) {
    throw spaceError(path, error);
  }
}

async function openDirect(path: string): Promise<FileHandle | undefined> {
  return open(path, O_RDONLY | O_DIRECT).catch((error: unknown) => {
    if (errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  });
}

function spaceError(path: string, error: unknown): unknown {
  if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errnoOf(error) ?? '')) return error;
  return new ImageError('DiskFull', `no space for ${path} in the volume; let its claim ask for more storage`, { cause: error, disposition: 'retry' });
}
