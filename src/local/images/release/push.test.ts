import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { run } from '../../../base/process.ts';
import { pauseImage } from '../container-images.ts';
import { ociArchive } from '../oci-archive.ts';
import { pushLayout, readCredentials } from './push.ts';
import { Registry } from './registry.ts';

const folder = await mkdtemp(join(tmpdir(), 'yado-push-'));
after(() => rm(folder, { recursive: true, force: true }));
const { content, digests } = await ociArchive([pauseImage(['localhost/yadokari/pause:0.1.0', 'localhost/yadokari/pause:1'])]);
await writeFile(join(folder, 'pause.tar'), content);
await run('tar', ['-xf', join(folder, 'pause.tar'), '-C', folder]);

interface Stub {
  readonly host: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly tags: ReadonlyMap<string, string>;
  readonly uploads: readonly string[];
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A registry in memory; with `token` it asks for one, which `/token` gives to hermit:crab. */
async function startRegistry(t: TestContext, token?: string): Promise<Stub> {
  const blobs = new Map<string, Buffer>();
  const tags = new Map<string, string>();
  const uploads: string[] = [];
  const server = createServer((request, response) => void (async () => {
    const url = new URL(request.url ?? '', 'http://localhost');
    const digest = url.searchParams.get('digest') ?? url.pathname.split('/').at(-1) ?? '';
    const received = await body(request);
    if (url.pathname === '/token') {
      const known = request.headers.authorization === `Basic ${Buffer.from('hermit:crab').toString('base64')}`;
      return void response.writeHead(known ? 200 : 401).end(JSON.stringify({ token }));
    }
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      return void response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="stub"` }).end();
    }
    if (request.method === 'HEAD') return void response.writeHead(blobs.has(digest) ? 200 : 404).end();
    if (request.method === 'POST') return void response.writeHead(202, { location: '/v2/shell/pause/blobs/uploads/1?state=x' }).end();
    if (url.pathname.includes('/manifests/')) {
      const computed = `sha256:${createHash('sha256').update(received).digest('hex')}`;
      tags.set(url.pathname.split('/').at(-1) ?? '', computed);
      return void response.writeHead(201, { 'docker-content-digest': computed }).end();
    }
    assert.equal(url.searchParams.get('state'), 'x');
    uploads.push(digest);
    blobs.set(digest, received);
    response.writeHead(201).end();
  })());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, blobs, tags, uploads };
}

test('a push stores blobs and tags, and a second one sends no blob again', async (t) => {
  const stub = await startRegistry(t);
  const registry = new Registry({ host: stub.host });
  assert.deepEqual(await pushLayout(folder, registry, 'shell/pause'), [{ tag: '0.1.0', digest: digests[0] }, { tag: '1', digest: digests[0] }]);
  assert.deepEqual([...stub.tags], [['0.1.0', digests[0]], ['1', digests[0]]]);
  assert.equal(stub.uploads.length, 2);
  for (const [digest, blob] of stub.blobs) assert.equal(digest, `sha256:${createHash('sha256').update(blob).digest('hex')}`);
  await pushLayout(folder, registry, 'shell/pause');
  assert.equal(stub.uploads.length, 2);
});

test('a registry that asks for a token gets one by name and password, and says what to do without', async (t) => {
  const stub = await startRegistry(t, 'secret');
  await assert.rejects(pushLayout(folder, new Registry({ host: stub.host }), 'shell/pause'), { code: 'PushFailed', message: /Log in first/ });
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify({ auths: { [stub.host]: { auth: Buffer.from('hermit:crab').toString('base64') } } }));
  const credentials = await readCredentials(file, stub.host);
  assert.deepEqual(credentials, { user: 'hermit', password: 'crab' });
  await pushLayout(folder, new Registry({ host: stub.host, ...(credentials === undefined ? {} : { credentials }) }), 'shell/pause');
  assert.equal(stub.tags.get('1'), digests[0]);
});

test('a registry that is not there is named', async () => {
  await assert.rejects(pushLayout(folder, new Registry({ host: '127.0.0.1:1' }), 'shell/pause'), { code: 'RegistryUnreachable' });
});
