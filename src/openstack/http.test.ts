import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { createAuthority, issueCertificate } from '../base/certificate.ts';
import { ManualClock, systemClock, type Clock } from '../base/clock.ts';
import type { OpenStackErrorCode } from './errors.ts';
import { faultOf, FakeCloud, type FakeAnswer } from './fake-cloud.ts';
import { HttpClient, type HttpMethod, type HttpOptions } from './http.ts';

/** Sleeps for no time, and keeps how long it should have been. */
class HastyClock implements Clock {
  readonly slept: number[] = [];
  now(): number {
    return Date.now();
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.slept.push(ms);
  }
  after(ms: number, callback: () => void): () => void {
    return systemClock.after(ms, callback);
  }
}

interface Ground extends AsyncDisposable {
  readonly cloud: FakeCloud;
  readonly http: HttpClient;
  readonly clock: HastyClock;
  send(method: HttpMethod, body?: unknown, signal?: AbortSignal): ReturnType<HttpClient['send']>;
}

/** A service at `/identity/x`, where no token is asked for. */
async function ground(answers: readonly FakeAnswer[], options: Partial<HttpOptions> = {}): Promise<Ground> {
  const cloud = await FakeCloud.start();
  const clock = new HastyClock();
  const http = new HttpClient({ tls: { verify: true }, clock, random: () => 0, ...options });
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) cloud.on(`${method} /identity/x`, ...answers);
  return {
    cloud, http, clock,
    send: (method, body, signal) => http.send({ service: 'compute', method, url: new URL(`${cloud.origin}/identity/x?marker=secret`), ...(body === undefined ? {} : { body }), ...(signal === undefined ? {} : { signal }) }),
    async [Symbol.asyncDispose]() {
      http[Symbol.dispose]();
      await cloud[Symbol.asyncDispose]();
    },
  };
}

const busy = (status: number, retryAfter?: string): FakeAnswer => ({ status, body: { overLimit: { code: status, message: 'This request was rate-limited.' } }, ...(retryAfter === undefined ? {} : { headers: { 'retry-after': retryAfter } }) });
const fine: FakeAnswer = { body: { ok: true } };

/** What a service does first, with which method; how often it is asked altogether, and how long is waited. */
const REPEATED: readonly (readonly [string, HttpMethod, FakeAnswer, number, readonly number[]])[] = [
  ['a GET that met a busy gateway', 'GET', { status: 502 }, 2, [250]],
  ['a DELETE that met a service that is away', 'DELETE', { status: 503 }, 2, [250]],
  ['a PUT that timed out at the gateway', 'PUT', { status: 504 }, 2, [250]],
  ['a GET whose connection broke', 'GET', { breaks: 'before' }, 2, [250]],
  ['a GET whose answer was cut off', 'GET', { breaks: 'within', body: 'x'.repeat(100) }, 2, [250]],
  ['a POST that came too often', 'POST', busy(429, '3'), 2, [3000]],
  ['a POST that came too often, as an older Nova says it', 'POST', busy(413, '2'), 2, [2000]],
  ['a POST that came too often, without a time', 'POST', busy(429), 2, [250]],
  ['a GET that is told when the service is back', 'GET', { status: 503, headers: { 'retry-after': '7' } }, 2, [7000]],
];

for (const [what, method, first, times, waits] of REPEATED) {
  test(`${what} is repeated`, async () => {
    await using here = await ground([first, fine]);
    assert.deepEqual((await here.send(method)).body, { ok: true });
    assert.equal(here.cloud.requests.length, times);
    assert.deepEqual(here.clock.slept, waits);
  });
}

const FINAL: readonly (readonly [string, HttpMethod, FakeAnswer, OpenStackErrorCode])[] = [
  ['a POST that met a busy gateway', 'POST', { status: 502 }, 'ServiceFailed'],
  ['a POST whose connection broke', 'POST', { breaks: 'before' }, 'Unreachable'],
  ['a PATCH that met a service that is away', 'PATCH', { status: 503 }, 'ServiceFailed'],
  ['a GET that made the service fail', 'GET', { status: 500 }, 'ServiceFailed'],
  ['a body that is too large', 'PUT', { status: 413, body: { badRequest: { message: 'too large' } } }, 'InvalidRequest'],
  ['a quota that is used up, which Cinder would have repeated', 'POST', { status: 413, headers: { 'retry-after': '0' }, body: { overLimit: { code: 413, message: "exceeded for quota 'volumes'" } } }, 'QuotaExceeded'],
  ['a service that wants an hour', 'GET', busy(429, '3600'), 'TooManyRequests'],
  ['half a page', 'GET', { body: '{"servers": [{"id": "a"}, {"id"' }, 'InvalidAnswer'],
  ['a page of something else', 'GET', { body: '<html>hello</html>' }, 'InvalidAnswer'],
];

for (const [what, method, answer, code] of FINAL) {
  test(`${what} is an error at once`, async () => {
    await using here = await ground([answer, fine]);
    const fault = await faultOf(here.send(method));
    assert.equal(fault.code, code);
    assert.equal(here.cloud.requests.length, 1);
  });
}

test('repeating comes to an end', async () => {
  await using here = await ground([{ status: 503, body: 'down for maintenance', headers: { 'x-openstack-request-id': 'req-1' } }], { attempts: 3 });
  const { message: _, ...fault } = await faultOf(here.send('GET'));
  assert.equal(here.cloud.requests.length, 3);
  assert.deepEqual(here.clock.slept, [250, 500]);
  assert.deepEqual({ service: fault.service, method: fault.method, path: fault.path, status: fault.status, code: fault.code, requestId: fault.requestId, disposition: fault.disposition }, { service: 'compute', method: 'GET', path: '/identity/x', status: 503, code: 'ServiceFailed', requestId: 'req-1', disposition: 'retry' });
});

test('a redirect is told of and not followed, since tokens are for nobody else', async () => {
  await using here = await ground([{ status: 301, headers: { location: 'https://elsewhere.example/x?token=1' } }]);
  const fault = await faultOf(here.send('GET'));
  assert.equal(fault.code, 'InvalidAnswer');
  assert.match(fault.message, /it redirects to https:\/\/elsewhere\.example\/x: use that address/);
  assert.equal(here.cloud.requests.length, 1);
});

test('a message names service, call, what it said and the status, and no query', async () => {
  await using here = await ground([{ status: 409, body: { conflictingRequest: { code: 409, message: 'Instance is locked' } } }]);
  assert.equal((await faultOf(here.send('POST'))).message, 'compute: POST /identity/x: Instance is locked (HTTP 409)');
});

test('what a service repeats of a request shows no secret of it', async () => {
  const body = { server: { name: 'x', adminPass: 'hunter22', user_data: 'I2Nsb3VkLWNvbmZpZwo=', personality: [{ contents: 'c2VjcmV0IGZpbGU=' }] } };
  await using here = await ground([{ status: 400, body: { badRequest: { message: `Invalid input. Value: ${inspect(body, { depth: 9 })}` } } }]);
  const fault = await faultOf(here.send('POST', body));
  assert.match(fault.message, /name: 'x'.*adminPass: '\[secret\]'/s);
  assert.doesNotMatch(inspect(fault, { depth: 9 }), /hunter22|I2Nsb3Vk|c2VjcmV0/);
});

test('a service that does not answer in time is given up', async () => {
  await using here = await ground([{ breaks: 'hangs' }], { timeoutMs: 50, attempts: 2 });
  assert.equal((await faultOf(here.send('GET'))).code, 'TimedOut');
  assert.equal(here.http.requests.total, 2);
});

test('whoever aborts gets their own reason, at once and without a repetition', async () => {
  await using here = await ground([{ breaks: 'hangs' }]);
  const aborting = new AbortController();
  const sent = here.send('GET', undefined, aborting.signal);
  while (here.cloud.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  aborting.abort(new Error('enough'));
  await assert.rejects(sent, /^Error: enough$/);
  assert.equal(here.cloud.requests.length, 1);
});

test('waiting for a service that asked for patience can be aborted', async () => {
  const clock = new ManualClock();
  await using here = await ground([busy(429, '30')], { clock });
  const aborting = new AbortController();
  const sent = here.send('POST', undefined, aborting.signal);
  while (here.http.requests.total === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  setTimeout(() => aborting.abort(new Error('enough')), 20);
  await assert.rejects(sent, /enough/);
});

test('a host that is not there is named, also for a POST that cannot have arrived', async () => {
  await using here = await ground([]);
  const fault = await faultOf(here.http.send({ service: 'image', method: 'POST', url: new URL('http://127.0.0.1:1/v2') }));
  assert.equal(fault.code, 'Unreachable');
  assert.match(fault.message, /127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
  assert.equal(here.clock.slept.length, 3);
});

test('an answer that is larger than allowed is an error and not a part', async () => {
  await using here = await ground([{ body: { long: 'x'.repeat(5000) } }], { largestBodyBytes: 1000 });
  assert.equal((await faultOf(here.send('GET'))).code, 'InvalidAnswer');
});

test('requests are counted by service, method and status, each attempt of them', async () => {
  const seen: string[] = [];
  await using here = await ground([{ status: 503 }, { breaks: 'before' }, fine], { observer: (...what) => seen.push(what.join(' ')) });
  await here.send('GET');
  assert.equal(here.http.requests.total, 3);
  assert.deepEqual(seen, ['compute GET 503', 'compute GET error', 'compute GET 200']);
  assert.deepEqual(here.http.requests.list().map(({ status, count }) => [status, count]), [['503', 1], ['error', 1], ['200', 1]]);
});

test('no more requests are under way than allowed', async () => {
  await using here = await ground([fine], { atOnce: 2 });
  let now = 0;
  let most = 0;
  here.cloud.on('GET /identity/x', async () => {
    most = Math.max(most, now += 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    now -= 1;
    return fine;
  });
  await Promise.all(Array.from({ length: 8 }, () => here.send('GET')));
  assert.equal(most, 2);
});

test('a stream is sent as it is, and never twice', async () => {
  await using here = await ground([{ status: 503 }, fine]);
  assert.equal((await faultOf(here.send('PUT', Readable.from(['some', 'data'])))).status, 503);
  assert.deepEqual(here.cloud.requests.map(({ body }) => body), ['somedata']);
});

test('the time is that of the service', async () => {
  await using here = await ground([{ ...fine, headers: { date: 'Sat, 21 Nov 2026 02:26:33 GMT' } }]);
  assert.equal((await here.send('GET')).dateMs, Date.UTC(2026, 10, 21, 2, 26, 33));
});

test('a certificate is trusted by its own authority, with the client certificate that the service asks for', async () => {
  const authority = await createAuthority('cloud-ca');
  const server = await issueCertificate(authority, { commonName: 'cloud', addresses: ['127.0.0.1'], usages: ['server'] });
  const client = await issueCertificate(authority, { commonName: 'alice', usages: ['client'] });
  await using cloud = await FakeCloud.start({ tls: { ...server, clientAuthority: authority.certificate } });
  cloud.on('GET /identity/x', fine);
  const asked = async (tls: HttpOptions['tls']): Promise<unknown> => {
    using http = new HttpClient({ tls, clock: new HastyClock(), attempts: 1 });
    return (await http.send({ service: 'identity', method: 'GET', url: new URL(`${cloud.origin}/identity/x`) })).body;
  };
  const identity = { certificate: client.certificate, key: client.key };
  assert.deepEqual(await asked({ ca: authority.certificate, verify: true, ...identity }), { ok: true });
  assert.deepEqual(await asked({ verify: false, ...identity }), { ok: true });
  const untrusted = await faultOf(asked({ verify: true, ...identity }));
  assert.equal(untrusted.code, 'CertificateRefused');
  assert.equal(untrusted.disposition, 'stalled');
  assert.match(untrusted.message, /cacert/);
  assert.equal((await faultOf(asked({ ca: authority.certificate, verify: true }))).code, 'Unreachable');
});

test('a certificate of another host is refused', async () => {
  const authority = await createAuthority('cloud-ca');
  const server = await issueCertificate(authority, { commonName: 'cloud', names: ['cloud.example'], usages: ['server'] });
  await using cloud = await FakeCloud.start({ tls: server });
  using http = new HttpClient({ tls: { ca: authority.certificate, verify: true }, clock: new HastyClock() });
  assert.equal((await faultOf(http.send({ service: 'identity', method: 'GET', url: new URL(`${cloud.origin}/identity/x`) }))).code, 'CertificateRefused');
});
