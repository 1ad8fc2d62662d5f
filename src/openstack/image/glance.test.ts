import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { OpenStackCloud } from '../cloud.ts';
import { hasCode } from '../errors.ts';
import { FakeCloud, recorded, type FakeAnswer } from '../fake-cloud.ts';
import { all } from '../page.ts';
import type { ImageService } from './port.ts';

const ID = '118a99a4-42ba-420e-a707-c6ea8788a09d';
const FILE = `/image/v2/images/${ID}/file`;

async function asking<T>(call: string, answer: FakeAnswer, work: (image: ImageService, fake: FakeCloud) => Promise<T>): Promise<T> {
  await using fake = await FakeCloud.start();
  fake.on(call, answer);
  await using cloud = await OpenStackCloud.connect(fake.settings(), { attempts: 1 });
  return await work(cloud.image, fake);
}

test('an image is read, and what people said of it is apart from what Glance says', async () => {
  const image = await asking(`GET /image/v2/images/${ID}`, recorded('glance-image'), (images) => images.image(ID));
  const { hash, createdAtMs, updatedAtMs, ...rest } = image ?? assert.fail('it was not found');
  assert.equal(hash?.algorithm, 'sha512');
  assert.match(hash?.hex ?? '', /^[0-9a-f]{128}$/);
  assert.equal(createdAtMs, updatedAtMs);
  assert.deepEqual(rest, {
    id: ID, name: 'tiny', status: 'active', visibility: 'private', ownerId: 'd054fa478fb14cd9bc183c3f3b342bfa', diskFormat: 'raw', containerFormat: 'bare', sizeBytes: 65536, virtualSizeBytes: 65536, checksum: 'fcd6bcb56c1689fcef28b57c22475bad',
    minimumDiskGiB: 0, minimumMemoryMiB: 0, protected: false, tags: [], properties: { hw_disk_bus: 'virtio', os_distro: 'none' },
  });
});

test('images of all formats are listed', async () => {
  assert.equal((await asking('GET /image/v2/images', recorded('glance-images'), (images) => all(images.images()))).length, 4);
});

test('an image that is not there is undefined, though Glance says so in HTML, and deleting it no error', async () => {
  await asking(`GET /image/v2/images/${ID}`, recorded('error-glance-404'), async (images, fake) => {
    assert.equal(await images.image(ID), undefined);
    fake.on(`DELETE /image/v2/images/${ID}`, recorded('error-glance-404'));
    await images.deleteImage(ID);
  });
});

test('a part of the data is asked for by its range', async () => {
  const part = Buffer.alloc(1024, 7);
  await asking(`GET ${FILE}`, { status: 206, headers: { 'content-range': 'bytes 2048-3071/65536' }, body: part }, async (images, fake) => {
    const data = await images.download(ID, { offset: 2048, lengthBytes: 1024 });
    assert.deepEqual(await buffer(data.stream), part);
    assert.deepEqual([data.offset, data.lengthBytes, data.totalBytes], [2048, 1024, 65536]);
    assert.equal(fake.requests.at(-1)?.headers.range, 'bytes=2048-3071');
    (await images.download(ID, { offset: 5 })).stream.destroy();
    assert.equal(fake.requests.at(-1)?.headers.range, 'bytes=5-');
  });
});

test('a Glance that knows no ranges sends all, which is told', async () => {
  await asking(`GET ${FILE}`, { body: Buffer.alloc(100) }, async (images) => {
    const data = await images.download(ID, { offset: 50 });
    assert.deepEqual([data.offset, data.totalBytes, (await buffer(data.stream)).length], [0, 100, 100]);
  });
});

test('data that breaks off is an error of the stream', async () => {
  await asking(`GET ${FILE}`, { breaks: 'within', body: 'x'.repeat(1000) }, async (images) => {
    await assert.rejects(buffer((await images.download(ID)).stream));
  });
});

test('an image without data, and one that is not there, have nothing to be downloaded', async () => {
  await asking(`GET ${FILE}`, { status: 204 }, (images) => assert.rejects(images.download(ID), (error: unknown) => hasCode(error, 'Conflict')));
  await asking(`GET ${FILE}`, recorded('error-glance-404'), (images) => assert.rejects(images.download(ID), (error: unknown) => hasCode(error, 'NotFound') && error.message.includes('No image found')));
});

test('an image is made, and its data uploaded', async () => {
  await asking('POST /image/v2/images', { status: 201, body: recorded('glance-image').body }, async (images, fake) => {
    await images.createImage({ name: 'tiny', diskFormat: 'raw', properties: { hw_disk_bus: 'virtio' }, minimumDiskGiB: 1 });
    assert.deepEqual(fake.requests.at(-1)?.body, { hw_disk_bus: 'virtio', name: 'tiny', disk_format: 'raw', container_format: 'bare', visibility: 'private', min_disk: 1 });
    fake.on(`PUT ${FILE}`, { status: 204 });
    await images.upload(ID, Readable.from([Buffer.from('some '), Buffer.from('data')]), 9);
    const { body, headers } = fake.requests.at(-1) ?? assert.fail('nothing was sent');
    assert.equal(body, 'some data');
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.equal(headers['content-length'], '9');
  });
});

test('an upload takes as long as it takes, and only silence ends it', async () => {
  await using fake = await FakeCloud.start();
  fake.on(`PUT ${FILE}`, { status: 204 });
  await using cloud = await OpenStackCloud.connect(fake.settings(), { timeoutMs: 1000 });
  const slow = async function* (pauses: readonly number[]): AsyncGenerator<Buffer, void, undefined> {
    for (const ms of pauses) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      yield Buffer.from('x');
    }
  };
  await cloud.image.upload(ID, Readable.from(slow(Array.from({ length: 12 }, () => 100))));
  assert.equal(fake.requests.at(-1)?.body, 'x'.repeat(12));
  await assert.rejects(cloud.image.upload(ID, Readable.from(slow([10, 5000]))), (error: unknown) => hasCode(error, 'Unreachable') && error.message.includes('nothing has come for 1 s'));
});

test('large bodies keep nobody else waiting', async () => {
  await using fake = await FakeCloud.start();
  const gate = Promise.withResolvers<FakeAnswer>();
  fake.on(`GET ${FILE}`, () => gate.promise);
  fake.on(`GET /image/v2/images/${ID}`, recorded('glance-image'));
  await using cloud = await OpenStackCloud.connect(fake.settings(), { atOnce: 1 });
  const downloads = Array.from({ length: 6 }, () => cloud.image.download(ID));
  assert.equal((await cloud.image.image(ID))?.name, 'tiny');
  gate.resolve({ body: Buffer.alloc(10) });
  for (const { stream } of await Promise.all(downloads.map(async (one) => {
    const data = await one;
    data.stream.resume();
    return data;
  }))) stream.destroy();
});

test('data of an upload that is refused, or that cannot be read, is let go', async () => {
  await asking(`PUT ${FILE}`, { status: 409, body: '<html><title>409 Conflict</title></html>' }, async (images) => {
    const data = Readable.from(['x']);
    await assert.rejects(images.upload(ID, data), (error: unknown) => hasCode(error, 'Conflict'));
    assert.ok(data.destroyed);
    const broken = new Readable({ read() { this.destroy(new Error('the disk is gone')); } });
    await assert.rejects(images.upload(ID, broken), /the disk is gone/);
    const gone = Readable.from(['x']);
    gone.destroy();
    await assert.rejects(images.upload(ID, gone), (error: unknown) => hasCode(error, 'Unreachable'));
  });
});
