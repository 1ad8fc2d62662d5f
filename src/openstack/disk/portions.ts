import type { Readable } from 'node:stream';

/** A stream in portions as whoever takes them wants them, which are not those in which it comes. */
export class Portions implements Disposable {
  readonly #stream: Readable;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    // It may fail while nobody takes anything; who takes next is told.
    stream.on('error', () => {});
    this.#stream = stream;
    this.#chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** At least one byte, and at most so many. Rejects where the stream ends or fails. */
  async some(mostBytes: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error('the data broke off');
      this.#rest = next.value;
    }
    const portion = this.#rest.subarray(0, mostBytes);
    this.#rest = this.#rest.subarray(portion.length);
    return portion;
  }

  async exactly(lengthBytes: number): Promise<Buffer> {
    const whole = Buffer.allocUnsafe(lengthBytes);
    await this.fill(whole);
    return whole;
  }

  async fill(whole: Buffer): Promise<void> {
    for (let filled = 0; filled < whole.length;) filled += (await this.some(whole.length - filled)).copy(whole, filled);
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
