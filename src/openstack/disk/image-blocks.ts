import type { DiskReader } from './port.ts';

const BLOCK_BYTES = 2 ** 20;
const MOST_BLOCKS = 16;

/** Keeps the blocks of a file that were read last, for whoever reads many small pieces, some of them again and again. */
export class ImageBlocks {
  readonly sizeBytes: number;
  readonly #file: DiskReader;
  /** By number, the one that was used last at the end. */
  readonly #blocks = new Map<number, Promise<Buffer>>();

  constructor(file: DiskReader) {
    this.#file = file;
    this.sizeBytes = file.sizeBytes;
  }

  /** From the offset on: at least one byte, and at most up to the end. */
  async some(offset: number, end: number): Promise<Buffer> {
    const number = Math.floor(offset / BLOCK_BYTES);
    const begin = number * BLOCK_BYTES;
    return (await this.#block(number)).subarray(offset - begin, end - begin);
  }

  #block(number: number): Promise<Buffer> {
    const known = this.#blocks.get(number);
    const block = known ?? this.#fetch(number);
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    const [oldest] = this.#blocks.keys();
    if (oldest !== undefined && this.#blocks.size > MOST_BLOCKS) this.#blocks.delete(oldest);
    return block;
  }

  #fetch(number: number): Promise<Buffer> {
    const offset = number * BLOCK_BYTES;
    const data = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, this.sizeBytes - offset));
    const block = this.#file.read(offset, data).then(() => data);
    // What failed is asked for anew.
    block.catch(() => this.#blocks.get(number) === block && this.#blocks.delete(number));
    return block;
  }
}
