import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { ImageBlocks } from './image-blocks.ts';
import type { DiskReader } from './port.ts';

/** One file over HTTP on the loopback interface, in ranges, for whoever has its key as a cookie: QEMU gets neither tokens nor addresses of the cloud. */
export class ImageProxy implements AsyncDisposable {
  readonly key = randomBytes(32).toString('hex');
  readonly #blocks: ImageBlocks;
  readonly #server: http.Server;
  #failure: Error | undefined;

  private constructor(file: DiskReader) {
    this.#blocks = new ImageBlocks(file);
    // Who has asked may also have gone.
    this.#server = http.createServer((request, response) => void this.#answer(request, response).catch(() => response.destroy()));
  }

  static async start(file: DiskReader): Promise<ImageProxy> {
    const proxy = new ImageProxy(file);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/image`;
  }

  /** Why it could not answer last: its clients learn only that it did not. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer({ method = '', headers }: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    if (!this.#knows(headers.cookie ?? '')) return void response.writeHead(403).end();
    if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
    const { sizeBytes } = this.#blocks;
    const [, first, last] = /^bytes=([0-9]+)-([0-9]*)$/.exec(headers.range ?? '') ?? [];
    const begin = Number(first ?? 0);
    const end = last === undefined || last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
    if (first !== undefined && begin >= end) return void response.writeHead(416, { 'content-range': `bytes */${sizeBytes}` }).end();
    response.writeHead(first === undefined ? 200 : 206, {
      'accept-ranges': 'bytes', 'content-type': 'application/octet-stream', 'content-length': end - begin,
      ...(first === undefined ? {} : { 'content-range': `bytes ${begin}-${end - 1}/${sizeBytes}` }),
    });
    if (method === 'HEAD') return void response.end();
    await pipeline(this.#portions(begin, end), response);
  }

  async *#portions(begin: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    for (let offset = begin; offset < end;) {
      const portion = await this.#blocks.some(offset, end).catch((error: unknown) => {
        this.#failure = error as Error;
        throw error;
      });
      offset += portion.length;
      yield portion;
    }
  }

  #knows(cookie: string): boolean {
    const [given, own] = [Buffer.from(cookie), Buffer.from(cookieOf(this.key))];
    return given.length === own.length && timingSafeEqual(given, own);
  }
}

/** As a client is to send it. */
export function cookieOf(key: string): string {
  return `key=${key}`;
}
