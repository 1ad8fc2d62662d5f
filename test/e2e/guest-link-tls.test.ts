import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../src/base/log.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { HttpLink } from '../../src/container/link/http-link.ts';
import { TlsConnector, type TlsConnectorOptions } from '../../src/container/link/tls-connector.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../../src/base/certificate.ts';
import { buildGoProgram } from '../../src/local/images/go-program.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { podFilesContract } from '../contract/pod-files.ts';
import { LocalPodFiles } from '../env/local-pod-files.ts';
import { tiedProgram } from '../env/tied.ts';

const folder = await mkdtemp(join(tmpdir(), 'yado-link-tls-'));
const port = 20_000 + process.pid % 10_000;
let program = '';
let relay: ChildProcess;
let runtime: Server;
let authority: KeyPair;
let own: KeyPair;
let link: HttpLink | undefined;

/** The relay on this machine, as in a guest that has no channel. */
function start(): ChildProcess {
  return spawn('setpriv', [...tiedProgram, program, '--port', '', '--listen', `127.0.0.1:${port}`, '--keys', folder, '--pods', join(folder, 'pods'), '--runtime', join(folder, 'echo.sock')], { stdio: ['ignore', 'inherit', 'inherit'] });
}

async function open(given: Partial<TlsConnectorOptions> = {}): Promise<HttpLink> {
  const connector = new TlsConnector({ host: () => '127.0.0.1', port, authority: authority.certificate, serverName: 'web.shop', certificate: own.certificate, key: own.key, ...given });
  link = await HttpLink.open({ connector, runtimeSocket: join(folder, 'runtime.sock'), log: silentLog });
  return link;
}

async function becomes(connected: boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (link?.connected === connected) return;
    await sleep(10);
  }
  assert.fail(`the link is not ${connected ? 'up' : 'down'} after 10 s`);
}

before(async () => {
  ({ path: program } = await buildGoProgram({ source: join(import.meta.dirname, '../../src/bin/yado-relay'), cache: defaultCacheRoot, cacheFolder: join(tmpdir(), 'yado-test-images'), environment: process.env, progress: silentProgress }));
  authority = await createAuthority('links');
  own = await issueCertificate(authority, { commonName: 'agent', usages: ['client'] });
  const guest = await issueCertificate(authority, { commonName: 'web', names: ['web.shop'], usages: ['server'] });
  for (const [name, content] of Object.entries({ 'relay-cert.pem': guest.certificate, 'relay-key.pem': guest.key, 'relay-client-ca.pem': authority.certificate })) await writeFile(join(folder, name), content, { mode: 0o600 });
  runtime = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket)).listen(join(folder, 'echo.sock'));
  relay = start();
});

afterEach(async () => {
  await link?.[Symbol.asyncDispose]();
  link = undefined;
});

after(async () => {
  relay.kill('SIGKILL');
  runtime.close();
  await rm(folder, { recursive: true, force: true });
});

podFilesContract('on this machine', async () => new LocalPodFiles(join(folder, 'local')));

podFilesContract('by a relay', async () => {
  const { files } = await open();
  await becomes(true);
  return files;
});

describe('the way into a guest over TLS', { timeout: 60_000 }, () => {
  test('is as good as a channel, and survives the relay', async () => {
    const guest = await open();
    await becomes(true);
    assert.equal(guest.transport, 'tls');
    assert.ok((await guest.info()).memoryBytes > 0);
    const content = Buffer.alloc(5_000_000, 'x');
    await guest.files.writeFile('u1/large', content, 0o600);
    assert.ok((await guest.files.readFile('u1/large', 5_000_000))?.equals(content));
    relay.kill('SIGKILL');
    await becomes(false);
    relay = start();
    await becomes(true);
    assert.equal((await guest.files.stat('u1/large'))?.sizeBytes, 5_000_000);
    await guest.files.remove('u1');
  });

  test('passes on all that was sent when the guest closes first', async () => {
    const guest = await open();
    await becomes(true);
    const talker = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(Buffer.alloc(2_000_000, 'y'));
    }).listen(0, '127.0.0.1');
    await once(talker, 'listening');
    const { port: talkerPort } = talker.address() as { readonly port: number };
    for (let round = 0; round < 5; round++) {
      const stream = await guest.dial(talkerPort);
      stream.on('error', () => {});
      stream.write('still open');
      assert.equal((await buffer(stream)).length, 2_000_000);
    }
    talker.close();
  });

  test('carries a hundred tunnels at once', async () => {
    const guest = await open();
    await becomes(true);
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port: echoPort } = echo.address() as { readonly port: number };
    const answers = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      const stream = await guest.dial(echoPort);
      stream.end(`tunnel ${index}`);
      return text(stream);
    }));
    assert.deepEqual(answers, answers.map((_, index) => `tunnel ${index}`));
    echo.close();
  });

  test('is closed to hosts and guests that cannot show who they are', async () => {
    const stranger = await createAuthority('stranger');
    const forged = await issueCertificate(stranger, { commonName: 'agent', usages: ['client'] });
    for (const given of [{ certificate: forged.certificate, key: forged.key }, { authority: stranger.certificate }, { serverName: 'other.shop' }]) {
      const guest = await open(given);
      await sleep(700);
      assert.equal(guest.connected, false);
      await guest[Symbol.asyncDispose]();
    }
  });
});
