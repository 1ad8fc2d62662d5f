import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { cookieOf, ImageProxy } from './image-proxy.ts';

const content = randomBytes(20 * 2 ** 20 + 77);

async function proxied(work: (get: (range?: string, more?: RequestInit) => Promise<Response>, reads: readonly number[], proxy: ImageProxy) => Promise<void>, read = async (offset: number, into: Buffer): Promise<void> => void content.copy(into, 0, offset)): Promise<void> {
  const reads: number[] = [];
  await using proxy = await ImageProxy.start({ sizeBytes: content.length, read: (offset, into) => (reads.push(offset), read(offset, into)), [Symbol.asyncDispose]: async () => {} });
  await work((range, more = {}) => fetch(proxy.url, { headers: { cookie: cookieOf(proxy.key), ...(range === undefined ? {} : { range }) }, ...more }), reads, proxy);
}

const bodyOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe('the proxy of an image', () => {
  it('gives all of it, and any part', async () => {
    await proxied(async (get) => {
      const all = await get();
      assert.deepEqual([all.status, all.headers.get('accept-ranges')], [200, 'bytes']);
      assert.ok((await bodyOf(all)).equals(content));
      for (const [begin, end] of [[0, 1], [1_048_575, 1_048_577], [3_000_000, 7_000_000], [content.length - 1, content.length]] as const) {
        const response = await get(`bytes=${begin}-${end - 1}`);
        assert.deepEqual([response.status, response.headers.get('content-range')], [206, `bytes ${begin}-${end - 1}/${content.length}`]);
        assert.ok((await bodyOf(response)).equals(content.subarray(begin, end)));
      }
      assert.ok((await bodyOf(await get(`bytes=${content.length - 5}-`))).equals(content.subarray(-5)));
      assert.ok((await bodyOf(await get(`bytes=${content.length - 5}-${content.length + 500}`))).equals(content.subarray(-5)));
      assert.equal((await get(`bytes=${content.length}-`)).status, 416);
    });
  });

  it('tells how large it is without reading it', async () => {
    await proxied(async (get, reads) => {
      assert.equal((await get(undefined, { method: 'HEAD' })).headers.get('content-length'), String(content.length));
      assert.deepEqual(reads, []);
    });
  });

  it('answers nobody without its key, and takes nothing', async () => {
    await proxied(async (get, reads, proxy) => {
      assert.equal((await fetch(proxy.url)).status, 403);
      assert.equal((await fetch(proxy.url, { headers: { cookie: cookieOf('0'.repeat(64)) } })).status, 403);
      assert.equal((await get(undefined, { method: 'PUT', body: 'x' })).status, 405);
      assert.deepEqual(reads, []);
    });
  });

  it('reads a part once that is asked for many times in a row', async () => {
    await proxied(async (get, reads) => {
      await Promise.all(Array.from({ length: 8 }, async (_, index) => bodyOf(await get(`bytes=${index * 1000}-${index * 1000 + 999}`))));
      await bodyOf(await get('bytes=5000-5010'));
      assert.deepEqual(reads, [0]);
    });
  });

  it('keeps sixteen parts and no more', async () => {
    await proxied(async (get, reads) => {
      await bodyOf(await get());
      await bodyOf(await get(`bytes=${content.length - 100}-`));
      assert.equal(reads.length, 21);
      await bodyOf(await get('bytes=0-10'));
      assert.deepEqual(reads.slice(21), [0]);
    });
  });

  it('tells why it could not answer, and asks anew the next time', async () => {
    let broken = true;
    await proxied(async (get, _reads, proxy) => {
      await assert.rejects(async () => bodyOf(await get('bytes=0-10')));
      assert.match(String(proxy.failure), /the cloud is gone/);
      broken = false;
      assert.ok((await bodyOf(await get('bytes=0-10'))).equals(content.subarray(0, 11)));
    }, async (offset, into) => (broken ? Promise.reject(new Error('the cloud is gone')) : void content.copy(into, 0, offset)));
  });
});
