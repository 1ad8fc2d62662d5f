import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import type { PodFiles } from '../pod-files.ts';
import { tailOffset } from './log-lines.ts';

/** How much of the end is read first to find its last lines, and how much at most. */
const TAIL_BYTES = 64 * 1024;
const MOST_TAIL_BYTES = 16 * 1024 * 1024;

/** A log file that is read from one place on, while it grows and is renamed and begun anew by its rotation. */
export class LogFile {
  readonly #files: PodFiles;
  readonly #path: string;
  #inode: number;
  #offset = 0;

  private constructor(files: PodFiles, path: string, inode: number) {
    this.#files = files;
    this.#path = path;
    this.#inode = inode;
  }

  /** `path` is absolute, on the runtime's machine. Undefined when there is none. */
  static async open(files: PodFiles, path: string, signal: AbortSignal): Promise<LogFile | undefined> {
    const relative = posix.relative(files.root, path);
    const found = await files.stat(relative, signal);
    return found === undefined ? undefined : new LogFile(files, relative, found.inode);
  }

  /** Goes to where the last `count` lines begin, or as many of them as are within 16 MiB. */
  async seekLines(count: number, signal: AbortSignal): Promise<void> {
    const size = (await this.#files.stat(this.#path, signal))?.sizeBytes ?? 0;
    for (let bytes = TAIL_BYTES; ; bytes = Math.min(bytes * 8, MOST_TAIL_BYTES)) {
      const from = Math.max(size - bytes, 0);
      const found = tailOffset(await this.#after(from, signal), count);
      if (found === undefined && from > 0 && bytes < MOST_TAIL_BYTES) continue;
      this.#offset = from + (found ?? 0);
      return;
    }
  }

  /** What has come since the last time. */
  async *news(signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const found = await this.#files.stat(this.#path, signal);
    if (found?.inode !== this.#inode) {
      const renamed = await this.#renamed(signal);
      if (renamed !== undefined) yield* this.#read(renamed, signal);
    }
    if (found === undefined) return;
    if (found.inode !== this.#inode || found.sizeBytes < this.#offset) [this.#inode, this.#offset] = [found.inode, 0];
    if (found.sizeBytes > this.#offset) yield* this.#read(this.#path, signal);
  }

  /** Where the file is that had the name when it was last looked at. */
  async #renamed(signal: AbortSignal): Promise<string | undefined> {
    const [folder, prefix] = [posix.dirname(this.#path), `${posix.basename(this.#path)}.`];
    const names = (await this.#files.list(folder, signal)).filter((name) => name.startsWith(prefix));
    for (const name of names.reverse()) {
      const path = posix.join(folder, name);
      if ((await this.#files.stat(path, signal))?.inode === this.#inode) return path;
    }
    return undefined;
  }

  async *#read(path: string, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    for await (const piece of piecesOf(await this.#files.readFrom(path, this.#offset, signal))) {
      this.#offset += piece.length;
      yield piece;
    }
  }

  async #after(offset: number, signal: AbortSignal): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of piecesOf(await this.#files.readFrom(this.#path, offset, signal))) {
      pieces.push(piece);
      bytes += piece.length;
      // It grows meanwhile, but not without end.
      if (bytes > 2 * MOST_TAIL_BYTES) break;
    }
    return Buffer.concat(pieces);
  }
}

function piecesOf(stream: Readable | undefined): AsyncIterable<Buffer> | readonly Buffer[] {
  return stream ?? [];
}
