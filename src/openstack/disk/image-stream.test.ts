import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { OpenStackCloud } from '../cloud.ts';
import { hasCode, type OpenStackErrorCode } from '../errors.ts';
import { FakeCloud, faultOf, recorded, type FakeAnswer, type FakeRequest } from '../fake-cloud.ts';
import { ImageStream } from './image-stream.ts';

const ID = '118a99a4-42ba-420e-a707-c6ea8788a09d';
const IMAGE = `GET /image/v2/images/${ID}`;
const FILE = `${IMAGE}/file`;
const content = randomBytes(20 * 2 ** 20);
const clock = { ...systemClock, sleep: async () => {} };

function part({ headers: { range } }: FakeRequest): FakeAnswer {
  const [, first] = /^bytes=([0-9]+)-$/.exec(range ?? '') ?? [];
  if (first === undefined) return { body: content };
  return { status: 206, headers: { 'content-range': `bytes ${first}-${content.length - 1}/${content.length}` }, body: content.subarray(Number(first)) };
}

interface Opened {
  readonly fake: FakeCloud;
  readonly stream: ImageStream;
  /** What was asked for, as ranges. */
  readonly asked: () => readonly (string | undefined)[];
}

async function reading(work: (opened: Opened) => Promise<void>, { scattered = false, signal = new AbortController().signal, image = {}, attempts = 1 }: { readonly scattered?: boolean; readonly signal?: AbortSignal; readonly image?: object; readonly attempts?: number } = {}): Promise<void> {
  await using fake = await FakeCloud.start();
  fake.on(IMAGE, { body: { ...recorded('glance-image').body as object, size: content.length, ...image } });
  fake.on(FILE, part);
  await using cloud = await OpenStackCloud.connect(fake.settings(), { attempts });
  await using stream = await ImageStream.open({ images: cloud.image, image: ID, scattered, clock, signal });
  await work({ fake, stream, asked: () => fake.calls(FILE).map(({ headers }) => headers.range) });
}

async function expect(stream: ImageStream, offset: number, lengthBytes: number): Promise<void> {
  const data = Buffer.alloc(lengthBytes);
  await stream.read(offset, data);
  assert.ok(data.equals(content.subarray(offset, offset + lengthBytes)), `${lengthBytes} bytes at ${offset}`);
}

describe('the data of an image', () => {
  it('is one request for all that is read in its order', async () => {
    await reading(async ({ stream, asked }) => {
      assert.equal(stream.sizeBytes, content.length);
      await Promise.all([0, 1, 2, 3, 4].map((number) => expect(stream, number * 4 * 2 ** 20, 4 * 2 ** 20)));
      assert.deepEqual(asked(), [undefined]);
    });
  });

  it('is asked for anew where it is read elsewhere, and read over where that is near', async () => {
    await reading(async ({ stream, asked }) => {
      await expect(stream, 15_000_000, 1000);
      await expect(stream, 15_001_500, 1000);
      await expect(stream, 1000, 1000);
      await expect(stream, 12_000_000, 10);
      assert.deepEqual(asked(), ['bytes=15000000-', 'bytes=1000-', 'bytes=12000000-']);
    });
  });

  it('is taken up where the connection broke', async () => {
    await reading(async ({ fake, stream, asked }) => {
      fake.on(FILE, (request) => ({ ...part(request), breaks: 'within' }), (request) => ({ ...part(request), breaks: 'within' }), (request) => ({ ...part(request), breaks: 'before' }), part);
      for (let offset = 0; offset < content.length; offset += 4 * 2 ** 20) await expect(stream, offset, 4 * 2 ** 20);
      const offsets = asked().map((range) => Number(/[0-9]+/.exec(range ?? '0')?.[0]));
      assert.equal(offsets.length, 4);
      assert.ok(offsets.every((offset, index) => index === 0 || offset >= (offsets[index - 1] ?? 0)) && (offsets[1] ?? 0) > 0, offsets.join());
    });
  });

  it('that breaks off again and again without a byte is unreachable', async () => {
    await reading(async ({ fake, stream, asked }) => {
      fake.on(FILE, { breaks: 'before' });
      assert.equal((await faultOf(stream.read(5, Buffer.alloc(5)))).code, 'Unreachable');
      assert.equal(asked().length, 5);
    });
  });

  it('goes on with a new token when the old one is good no more', async () => {
    await reading(async ({ fake, stream }) => {
      await expect(stream, 0, 1000);
      fake.tokens.clear();
      await expect(stream, 15_000_000, 1000);
      assert.equal(fake.calls('POST /identity/v3/auth/tokens').length, 2);
    });
  });

  for (const [what, without] of [['knows no ranges', () => ({ body: content })], ['refuses ranges', (request: FakeRequest) => (request.headers.range === undefined ? { body: content } : { status: 400, body: '<html><title>400 Bad Request</title></html>' })]] as const) {
    it(`of a Glance that ${what} is read from its beginning`, async () => {
      await reading(async ({ fake, stream }) => {
        fake.on(FILE, without);
        await expect(stream, 9_000_000, 1000);
        await expect(stream, 3000, 1000);
      });
    });

    it(`of a Glance that ${what} cannot be read here and there`, async () => {
      await reading(async ({ fake, stream }) => {
        fake.on(FILE, without);
        assert.equal((await faultOf(stream.read(9_000_000, Buffer.alloc(1000)))).disposition, 'stalled');
      }, { scattered: true });
    });
  }

  it('is not there for an image that is gone, has no data yet, or will never have any', async () => {
    const refused = async (image: object, code: OpenStackErrorCode, disposition: string): Promise<void> => {
      await assert.rejects(reading(async () => assert.fail('it was opened'), { image }), (error: unknown) => hasCode(error, code) && error.disposition === disposition);
    };
    await refused({ status: 'saving' }, 'Conflict', 'retry');
    await refused({ status: 'killed' }, 'Conflict', 'stalled');
    await refused({ size: null }, 'InvalidAnswer', 'retry');
    await reading(async ({ fake, stream }) => {
      fake.on(FILE, recorded('error-glance-404'));
      assert.equal((await faultOf(stream.read(0, Buffer.alloc(10)))).code, 'NotFound');
    });
  });

  it('ends with the signal, and when it is closed', async () => {
    const stop = new AbortController();
    await reading(async ({ fake, stream }) => {
      fake.on(FILE, { breaks: 'hangs' });
      const read = stream.read(0, Buffer.alloc(10));
      stop.abort(new Error('enough'));
      await assert.rejects(read, /enough/);
    }, { signal: stop.signal });
    await reading(async ({ stream, asked }) => {
      await expect(stream, 0, 10);
      const reads = [stream.read(10, Buffer.alloc(2 ** 20)), stream.read(15_000_000, Buffer.alloc(10))];
      await stream[Symbol.asyncDispose]();
      for (const { status, reason } of await Promise.allSettled(reads) as readonly PromiseRejectedResult[]) assert.match(`${status} ${reason}`, /rejected.*not read any more/);
      assert.equal(asked().length, 1);
    });
  });
});
