import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../base/process.ts';
import type { ImageReference } from '../port.ts';
import { FolderImageStore } from './store.ts';

const folder = await mkdtemp(join(tmpdir(), 'yado-store-'));
after(() => rm(folder, { recursive: true, force: true }));
let count = 0;
const newStore = (maximumBytes = 1 << 30) => new FolderImageStore({ folder: join(folder, `store-${++count}`), maximumBytes });
const fromFile = (path: string, format: ImageReference['format'], checksum?: string): ImageReference => ({ name: 'test', key: path, source: { kind: 'file', path }, format, ...(checksum === undefined ? {} : { checksum }) });

test('a qcow2 is imported with the size that a guest sees; one with a backing file is refused', async () => {
  const base = join(folder, 'base.qcow2');
  const overlay = join(folder, 'overlay.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', base, '64M']);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', overlay]);
  const store = newStore();
  assert.equal((await store.ensure(fromFile(base, 'qcow2'))).virtualSizeBytes, 64 * 1024 * 1024);
  await assert.rejects(store.ensure(fromFile(overlay, 'qcow2')), { code: 'ImageInvalid', disposition: 'stalled' });
});

test('a qcow2 whose data lie in another file is refused', async () => {
  const path = join(folder, 'external.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', `data_file=${join(folder, 'external.raw')},data_file_raw=on`, path, '1M']);
  await assert.rejects(newStore().ensure(fromFile(path, 'qcow2')), { code: 'ImageInvalid' });
});

test('callers share one download, and what is not as its checksum says leaves nothing behind', async (t) => {
  const content = Buffer.alloc(200_000, 'x');
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (request.url === '/moved') response.writeHead(302, { location: '/image' }).end();
    else if (request.url === '/image') response.end(content);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const image: ImageReference = { name: 'web', key: 'web', source: { kind: 'http', url: `${url}/moved` }, format: 'raw', checksum: `sha256:${createHash('sha256').update(content).digest('hex')}` };
  const store = newStore();
  const seen: number[] = [];
  const [one, two] = await Promise.all([store.ensure(image, { onProgress: ({ bytes }) => seen.push(bytes) }), store.ensure(image)]);
  assert.deepEqual(one, two);
  assert.equal(requests, 2);
  assert.equal(seen.at(-1), content.length);
  assert.deepEqual(await readFile(one.path), content);
  const other = newStore();
  await assert.rejects(other.ensure({ ...image, checksum: `sha512:${'0'.repeat(128)}` }), { code: 'ImageChecksumMismatch' });
  await assert.rejects(other.ensure({ ...image, source: { kind: 'http', url: `${url}/none` } }), { code: 'ImageNotFound' });
  assert.deepEqual(await readdir(join(folder, `store-${count}`)), []);
  await assert.rejects(newStore(1000).ensure(image), { code: 'ImageInvalid' });
});

test('an archive gives a folder of its members; links and paths that lead out are refused', async () => {
  const source = join(folder, 'members');
  await mkdir(source);
  await writeFile(join(source, 'vmlinuz'), 'kernel');
  await run('tar', ['-czf', join(folder, 'good.tar.gz'), '-C', source, 'vmlinuz']);
  const image = await newStore().ensure(fromFile(join(folder, 'good.tar.gz'), 'tar'));
  assert.equal(await readFile(join(image.path, 'vmlinuz'), 'utf8'), 'kernel');
  assert.equal(image.virtualSizeBytes, 6);
  await run('ln', ['-s', '/etc', join(source, 'link')]);
  await run('tar', ['-cf', join(folder, 'link.tar'), '-C', source, 'link']);
  await run('tar', ['-cPf', join(folder, 'escape.tar'), '-C', source, '--transform=s,^,../../,', 'vmlinuz']);
  for (const name of ['link.tar', 'escape.tar']) await assert.rejects(newStore().ensure(fromFile(join(folder, name), 'tar')), { code: 'ImageInvalid' });
});

test('an import that was killed leaves nothing, and prune keeps what is named', async () => {
  const path = join(folder, 'raw.img');
  await writeFile(path, 'raw');
  const store = newStore();
  const own = join(folder, `store-${count}`);
  await mkdir(join(own, 'abandoned.import-999999999'), { recursive: true });
  await store.ensure(fromFile(path, 'raw'));
  assert.equal((await readdir(own)).length, 1);
  assert.equal(await store.prune(new Set([path])), 0);
  assert.equal(await store.prune(new Set()), 1);
  assert.deepEqual(await readdir(own), []);
});

test('a source that is not there is the user’s to correct', async () => {
  await assert.rejects(newStore().ensure(fromFile(join(folder, 'nothing'), 'raw')), { code: 'ImageNotFound', disposition: 'stalled' });
});
