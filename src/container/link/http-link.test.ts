import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { HttpLink } from './http-link.ts';
import { SerialConnector } from './serial-connector.ts';

const folder = await mkdtemp(join(tmpdir(), 'yado-http-link-'));
after(() => rm(folder, { recursive: true }));

/** A port with a relay behind it that answers a greeting as soon as it is `awake`, however many have come by then. */
class FakeRelay {
  readonly path = join(folder, 'port');
  stale = '';
  awake = true;
  connections = 0;
  respond: (stream: ServerHttp2Stream, method: string, target: string) => void = (stream) => stream.respond({ ':status': 204 }, { endStream: true });
  readonly #server: Server;
  #socket: Socket | undefined;
  #session: ServerHttp2Session | undefined;

  constructor() {
    this.#server = createServer((socket) => this.#greet(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  /** The connection ends, as when QEMU does. */
  drop(): void {
    this.#socket?.destroy();
    this.#session?.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #greet(socket: Socket): void {
    this.#socket = socket;
    this.connections += 1;
    socket.on('error', () => {});
    socket.write(this.stale);
    let heard = '';
    const onData = (chunk: Buffer): void => {
      heard += chunk.toString('latin1');
      const preface = heard.indexOf('PRI * HTTP/2.0');
      if (preface >= 0) {
        socket.off('data', onData);
        socket.pause();
        socket.unshift(Buffer.from(heard.slice(preface), 'latin1'));
        this.#serve(socket);
      } else if (this.awake) {
        for (const line of heard.split('\n').slice(0, -1)) socket.write(`${line}\n`);
        heard = heard.slice(heard.lastIndexOf('\n') + 1);
      }
    };
    socket.on('data', onData);
  }

  #serve(socket: Socket): void {
    this.#session = performServerHandshake(socket);
    this.#session.on('error', () => {});
    this.#session.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      this.respond(stream, String(headers[':method']), String(headers[':path'] ?? headers[':authority']));
    });
  }
}

describe('the link to a guest', () => {
  const runtimeSocket = join(folder, 'runtime.sock');
  let relay: FakeRelay;
  let link: HttpLink;
  const connected = async (wanted = true): Promise<void> => {
    if (link.connected === wanted) return;
    await new Promise<void>((resolve) => {
      const stop = link.onChange((now) => void (now === wanted && (stop(), resolve())));
    });
  };

  beforeEach(async () => {
    relay = new FakeRelay();
    await relay.listen();
    await writeFile(runtimeSocket, 'left by a killed process');
    link = await HttpLink.open({ connector: new SerialConnector(relay.path), runtimeSocket, log: silentLog });
  });

  afterEach(async () => {
    await link[Symbol.asyncDispose]();
    await relay.close();
  });

  it('drops what a former connection has left, and waits for the echo of its last greeting', async () => {
    relay.stale = `\x00\x00\x05junk YADO-LINK 1 hello\nYADO-LINK 1 ${'ab'.repeat(18)}\n`;
    relay.awake = false;
    relay.drop();
    await new Promise((resolve) => setTimeout(resolve, 900));
    assert.equal(link.connected, false);
    relay.awake = true;
    await connected();
    await link.setNetwork({ mtu: 1400 });
  });

  it('says LinkDown while there is no way, and comes back by itself', async () => {
    await assert.rejects(link.info(), { code: 'LinkDown' });
    await connected();
    relay.respond = () => {};
    const waiting = assert.rejects(link.pressure(), { code: 'LinkDown' });
    relay.drop();
    await waiting;
    await connected(false);
    await connected();
    assert.equal(relay.connections, 2);
  });

  it('tells why the guest refuses, and whether it is worth another try', async () => {
    await connected();
    const refuse = (status: number): void => void (relay.respond = (stream) => {
      stream.respond({ ':status': status });
      stream.end(JSON.stringify({ message: 'no room' }));
    });
    refuse(507);
    await assert.rejects(link.setEndpoint({ podUid: 'u/1', address: '10.0.0.1' }), { code: 'LinkRefused', disposition: 'retry', message: 'the guest refuses PUT /v1/endpoints/u%2F1: no room' });
    refuse(400);
    await assert.rejects(link.files.remove('..'), { code: 'LinkRefused', disposition: 'terminal' });
    refuse(404);
    assert.equal(await link.files.stat('u1'), undefined);
    await assert.rejects(link.files.rename('a/b', 'a/c'), { code: 'LinkRefused' });
    relay.respond = (stream) => stream.respond({ ':status': 502 }, { endStream: true });
    await assert.rejects(link.dial(1), { code: 'LinkRefused' });
  });

  it('stops waiting when it is told to', async () => {
    await connected();
    relay.respond = () => {};
    await assert.rejects(link.info(AbortSignal.timeout(20)), { name: 'TimeoutError' });
    await assert.rejects(link.dial(80, AbortSignal.timeout(20)), { name: 'TimeoutError' });
    relay.respond = (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('{"boot');
    };
    await assert.rejects(link.info(AbortSignal.timeout(50)), { name: 'TimeoutError' });
  });

  it('does not take more from a guest than was asked for', async () => {
    await connected();
    relay.respond = (stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(100));
    };
    await assert.rejects(link.files.readFile('u1/log', 99), { code: 'LinkRefused' });
    await assert.rejects(link.info(), { code: 'LinkRefused', message: /no JSON/ });
  });

  it('carries each connection to the runtime\'s socket, direction by direction', async () => {
    assert.equal((await stat(runtimeSocket)).mode & 0o777, 0o600);
    await connected();
    relay.respond = (stream, method, target) => {
      stream.respond({ ':status': 200 });
      void text(stream).then((sent) => stream.end(`${method} ${target} ${sent}`));
    };
    const socket = connect({ path: runtimeSocket, allowHalfOpen: true });
    socket.end('all of it');
    assert.equal(await text(socket), 'CONNECT runtime all of it');
    relay.respond = (stream) => stream.respond({ ':status': 502 }, { endStream: true });
    const refused = connect(runtimeSocket);
    refused.on('error', () => {});
    await new Promise((resolve) => refused.once('close', resolve));
  });
});
