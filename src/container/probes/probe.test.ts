import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Server as GrpcServer, ServerCredentials, status, type handleUnaryCall } from '@grpc/grpc-js';
import { createAuthority, issueCertificate } from '../../base/certificate.ts';
import { encodeMessage, WireMessage } from '../drivers/cri/wire.ts';
import { probe, type ProbeAction } from './probe.ts';

const host = '127.0.0.1';
const patient = new AbortController().signal;
const make = (action: ProbeAction, timeoutMs = 5000, signal = patient) => probe(action, { host, timeoutMs, signal });
const portOf = (server: TcpServer): number => (server.address() as AddressInfo).port;

async function listening<S extends TcpServer>(server: S): Promise<S> {
  server.listen(0, host);
  await once(server, 'listening');
  return server;
}

/** A port that nothing serves any more. */
async function freePort(): Promise<number> {
  const server = await listening(createTcpServer());
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** What was asked for last, and what is answered. */
const seen: { headers?: IncomingHttpHeaders; url?: string } = {};
const answer: RequestListener = (request, response) => {
  const url = request.url ?? '/';
  Object.assign(seen, { headers: request.headers, url });
  const [, kind = '', rest = ''] = /^\/(\w*)\/?(.*)$/.exec(url) ?? [];
  if (kind === 'status') return void response.writeHead(Number(rest)).end();
  if (kind === 'hang') return;
  if (kind === 'stall') return void response.writeHead(200).write('it begins');
  if (kind === 'big') return void response.writeHead(200).end(Buffer.alloc(200 * 1024));
  if (kind === 'cut') return void request.socket.destroy();
  if (kind === 'local') return void response.writeHead(302, { location: '/status/204' }).end();
  if (kind === 'broken') return void response.writeHead(302, { location: '/status/500' }).end();
  if (kind === 'away') return void response.writeHead(301, { location: 'http://192.0.2.1/' }).end();
  if (kind === 'loop') return void response.writeHead(307, { location: `/loop/${Number(rest) + 1}` }).end();
  response.end('hello');
};

describe('an httpGet probe', () => {
  let server: Server;
  before(async () => void (server = await listening(createHttpServer(answer))));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const get = (path: string, timeoutMs?: number) => make({ kind: 'httpGet', port: portOf(server), path }, timeoutMs);

  const statuses: readonly (readonly [status: number, ok: boolean])[] = [[200, true], [204, true], [299, true], [300, true], [304, true], [302, true], [399, true], [400, false], [404, false], [500, false], [503, false]];
  for (const [code, ok] of statuses) {
    it(`${ok ? 'takes' : 'does not take'} status ${code}`, async () => {
      const result = await get(`/status/${code}`);
      assert.equal(result.ok, ok);
      if (!ok) assert.equal(result.message, `HTTP probe failed with statuscode: ${code}`);
    });
  }

  const paths: readonly (readonly [what: string, path: string, ok: boolean, message: RegExp])[] = [
    ['follows a redirect on the same host', '/local', true, /statuscode: 204/],
    ['fails where a redirect leads to a failure', '/broken', false, /statuscode: 500/],
    ['follows no redirect to another host, and is content with it', '/away', true, /terminated redirects, statuscode: 301/],
    ['gives up after ten redirects', '/loop/1', false, /^Get "http:\/\/127\.0\.0\.1:\d+\/loop\/11": stopped after 10 redirects$/],
    ['reads no more than the beginning of a long page', '/big', true, /statuscode: 200/],
    ['fails when the server hangs up', '/cut', false, /^Get "http:\/\/127\.0\.0\.1:\d+\/cut": EOF$/],
  ];
  for (const [what, path, ok, message] of paths) {
    it(what, async () => {
      const result = await get(path);
      assert.equal(result.ok, ok, result.message);
      assert.match(result.message, message);
    });
  }

  for (const path of ['/hang', '/stall']) {
    it(`fails when ${path} takes too long`, async () => {
      assert.deepEqual(await get(path, 100), { ok: false, message: `Get "http://${host}:${portOf(server)}${path}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)` });
    });
  }

  it('says that nothing serves the port', async () => {
    const port = await freePort();
    assert.deepEqual(await make({ kind: 'httpGet', port }), { ok: false, message: `Get "http://${host}:${port}/": dial tcp ${host}:${port}: connect: connection refused` });
  });

  it('asks for path and query with the headers that it is given, and says who asks', async () => {
    await make({ kind: 'httpGet', port: portOf(server), path: '//a b?c=d#e', httpHeaders: [{ name: 'Host', value: 'shop.example' }, { name: 'X-Way', value: 'one' }, { name: 'x-way', value: 'two' }] });
    assert.deepEqual([seen.url, seen.headers?.host, seen.headers?.['x-way'], seen.headers?.accept], ['//a%20b?c=d', 'shop.example', 'one, two', '*/*']);
    assert.match(seen.headers?.['user-agent'] ?? '', /^kube-probe\//);
    await make({ kind: 'httpGet', port: portOf(server), httpHeaders: [{ name: 'User-Agent', value: 'me' }, { name: 'Accept', value: '' }] });
    assert.deepEqual([seen.url, seen.headers?.['user-agent'], seen.headers?.accept], ['/', 'me', undefined]);
  });

  it('takes any certificate', async () => {
    const authority = await createAuthority('nobody knows');
    const { certificate, key } = await issueCertificate(authority, { commonName: 'somebody else', usages: ['server'] });
    const secure = await listening(createHttpsServer({ cert: certificate, key }, answer));
    try {
      assert.equal((await make({ kind: 'httpGet', scheme: 'HTTPS', port: portOf(secure) })).ok, true);
      assert.match((await make({ kind: 'httpGet', scheme: 'HTTPS', port: portOf(server) })).message, /^Get "https:/);
    } finally {
      secure.close();
    }
  });

  it('tells nothing when it is ended from outside', async () => {
    const stop = new AbortController();
    const result = make({ kind: 'httpGet', port: portOf(server), path: '/hang' }, 5000, stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await assert.rejects(result, /enough/);
  });
});

describe('a tcpSocket probe', () => {
  it('takes a port that accepts connections', async () => {
    const server = await listening(createTcpServer((socket) => socket.resume()));
    try {
      assert.equal((await make({ kind: 'tcpSocket', port: portOf(server) })).ok, true);
    } finally {
      server.close();
    }
  });

  it('does not take one that refuses them', async () => {
    const port = await freePort();
    assert.deepEqual(await make({ kind: 'tcpSocket', port }), { ok: false, message: `dial tcp ${host}:${port}: connect: connection refused` });
  });
});

describe('a grpc probe', () => {
  let server: GrpcServer;
  let port: number;
  const serving: Readonly<Record<string, number>> = { '': 1, down: 2, odd: 0, gone: 3 };
  const identity = (bytes: Buffer): Buffer => bytes;
  const check: handleUnaryCall<Buffer, Buffer> = (call, reply) => {
    const service = new WireMessage(call.request).text(1);
    if (service === 'hang') return;
    if (service === 'fault') return reply({ code: status.INTERNAL, details: 'out of order' });
    reply(null, encodeMessage([[1, serving[service] ?? 0]]));
  };
  before(async () => {
    server = new GrpcServer();
    server.addService({ check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, requestSerialize: identity, requestDeserialize: identity, responseSerialize: identity, responseDeserialize: identity } }, { check });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
    port = await promise;
  });
  after(() => server.forceShutdown());

  const table: readonly (readonly [service: string, ok: boolean, message: RegExp])[] = [
    ['', true, /^service healthy$/],
    ['down', false, /^service unhealthy \(responded with "NOT_SERVING"\)$/],
    ['odd', false, /^service unhealthy \(responded with "UNKNOWN"\)$/],
    ['gone', false, /^service unhealthy \(responded with "SERVICE_UNKNOWN"\)$/],
    ['fault', false, /^error: health rpc probe failed: out of order$/],
    ['hang', false, /^timeout: health rpc did not complete within 0\.3s$/],
  ];
  for (const [service, ok, message] of table) {
    it(`of service "${service}": ${message.source}`, async () => {
      const result = await make({ kind: 'grpc', port, ...(service === '' ? {} : { service }) }, 300);
      assert.equal(result.ok, ok);
      assert.match(result.message, message);
    });
  }

  it('says that a server has no health service', async () => {
    const bare = new GrpcServer();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    bare.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
    try {
      assert.match((await make({ kind: 'grpc', port: await promise })).message, /does not implement the grpc health protocol/);
    } finally {
      bare.forceShutdown();
    }
  });

  it('says that nothing serves the port', async () => {
    const free = await freePort();
    const result = await make({ kind: 'grpc', port: free });
    assert.equal(result.ok, false);
    assert.match(result.message, new RegExp(`^error: failed to connect service at "${host}:${free}": .*ECONNREFUSED`));
  });
});

describe('an exec probe', () => {
  it("is the caller's, with the target's time", async () => {
    const result = await make({ kind: 'exec', run: ({ timeoutMs }) => Promise.resolve({ ok: false, message: `after ${timeoutMs}` }) }, 70);
    assert.deepEqual(result, { ok: false, message: 'after 70' });
  });
});
