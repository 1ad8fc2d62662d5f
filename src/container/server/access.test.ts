import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { Access, subresourcesOf } from './access.ts';
import type { Caller, Reviewer } from './port.ts';

interface Subject {
  readonly CN?: string | readonly string[];
  readonly O?: string | readonly string[];
}

function request({ subject, token, method = 'GET', authorized = true }: { readonly subject?: Subject; readonly token?: string; readonly method?: string; readonly authorized?: boolean }): IncomingMessage {
  const socket = { authorized: subject !== undefined && authorized, getPeerCertificate: () => ({ subject }) };
  return { method, socket, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } } as unknown as IncomingMessage;
}

class KnownRights implements Reviewer {
  readonly asked: string[] = [];
  failing = false;

  authenticate(token: string): Promise<Caller | undefined> {
    this.asked.push(`who ${token}`);
    if (this.failing) return Promise.reject(new Error('no answer'));
    return Promise.resolve(token === 'good' ? { username: 'scraper', groups: ['scrapers'] } : undefined);
  }

  authorize({ username, groups }: Caller, verb: string, subresource: string): Promise<boolean> {
    this.asked.push(`may ${username} [${groups.join()}] ${verb} ${subresource}`);
    if (this.failing) return Promise.reject(new Error('no answer'));
    return Promise.resolve(username === 'api' || (username === 'scraper' && subresource === 'metrics') || (username === 'old' && subresource === 'proxy'));
  }
}

describe('access to a node', () => {
  const table: readonly [string, Parameters<typeof request>[0], string, { readonly status: number; readonly message: string } | undefined][] = [
    ['the API server', { subject: { CN: 'api', O: ['system:masters'] } }, '/exec/a/b/c', undefined],
    ['who may by a right from before there were finer ones', { subject: { CN: 'old' } }, '/pods', undefined],
    ['who may read metrics', { token: 'good' }, '/metrics/resource', undefined],
    ['who may read metrics, and wants pods', { token: 'good' }, '/pods', { status: 403, message: 'Forbidden (user=scraper, verb=get, resource=nodes, subresource(s)=[pods proxy])\n' }],
    ['who may read metrics, and wants to run a command', { token: 'good', method: 'POST' }, '/exec/a/b/c', { status: 403, message: 'Forbidden (user=scraper, verb=create, resource=nodes, subresource(s)=[proxy])\n' }],
    ['whose token nobody knows', { token: 'bad' }, '/metrics', { status: 401, message: 'Unauthorized' }],
    ['who says nothing', {}, '/healthz', { status: 401, message: 'Unauthorized' }],
    ['whose certificate is of another authority', { subject: { CN: 'api' }, authorized: false }, '/healthz', { status: 401, message: 'Unauthorized' }],
    ['whose certificate names nobody', { subject: { O: 'system:masters' } }, '/healthz', { status: 401, message: 'Unauthorized' }],
  ];
  for (const [name, caller, path, refusal] of table) {
    it(`${refusal === undefined ? 'lets in' : 'refuses'} ${name}`, async () => {
      const admitted = new Access(new KnownRights(), new ManualClock()).admit(request(caller), path);
      await (refusal === undefined ? admitted : assert.rejects(admitted, refusal));
    });
  }

  it('gives who has a certificate its groups, and the last of its names', async () => {
    const reviewer = new KnownRights();
    await new Access(reviewer, new ManualClock()).admit(request({ subject: { CN: ['first', 'api'], O: ['one', 'two'] } }), '/stats/summary');
    assert.deepEqual(reviewer.asked, ['may api [one,two,system:authenticated] get stats']);
  });

  it('asks once in a while', async () => {
    const [reviewer, clock] = [new KnownRights(), new ManualClock()];
    const access = new Access(reviewer, clock);
    const asks = async (path: string): Promise<readonly string[]> => {
      reviewer.asked.length = 0;
      await access.admit(request({ token: 'good' }), path).catch(() => {});
      return reviewer.asked.map((question) => question.split(' ').filter((word) => !word.startsWith('[')).join(' '));
    };
    assert.deepEqual(await asks('/metrics'), ['who good', 'may scraper get metrics']);
    assert.deepEqual(await asks('/stats'), ['may scraper get stats']);
    assert.deepEqual(await asks('/stats'), []);
    await clock.advance(30_000);
    assert.deepEqual(await asks('/stats'), ['may scraper get stats'], 'a no is believed for half a minute');
    await clock.advance(90_000);
    assert.deepEqual(await asks('/metrics'), ['who good'], 'a token for two minutes');
    await clock.advance(180_000);
    assert.deepEqual(await asks('/metrics'), ['who good', 'may scraper get metrics'], 'a yes for five');
  });

  it('lets nobody in while the API server does not answer, and remembers nothing of it', async () => {
    const reviewer = new KnownRights();
    const access = new Access(reviewer, new ManualClock());
    reviewer.failing = true;
    await assert.rejects(access.admit(request({ token: 'good' }), '/metrics'), { status: 401 });
    await assert.rejects(access.admit(request({ subject: { CN: 'api' } }), '/metrics'), { status: 500, message: 'Authorization error (user=api, verb=get, resource=nodes, subresource=metrics)' });
    reviewer.failing = false;
    await access.admit(request({ token: 'good' }), '/metrics');
  });

  it('forgets the oldest of many', async () => {
    const reviewer = new KnownRights();
    const access = new Access(reviewer, new ManualClock());
    for (let index = 0; index < 1500; index += 1) await access.admit(request({ subject: { CN: 'api', O: String(index) } }), '/metrics');
    reviewer.asked.length = 0;
    await access.admit(request({ subject: { CN: 'api', O: '1499' } }), '/metrics');
    await access.admit(request({ subject: { CN: 'api', O: '0' } }), '/metrics');
    assert.equal(reviewer.asked.length, 1);
  });
});

describe('the subresource of a node that a path is', () => {
  const table: Readonly<Record<string, string>> = {
    '/pods': 'pods proxy', '/pods/': 'pods proxy', '/podsx': 'proxy', '/runningpods/': 'pods proxy', '/healthz': 'healthz proxy', '/healthz/ping': 'healthz proxy', '/configz': 'configz proxy',
    '/stats/summary': 'stats', '/metrics': 'metrics', '/metrics/resource': 'metrics', '/metricsx': 'proxy', '/logs/': 'log', '/checkpoint/a/b/c': 'checkpoint', '/statusz': 'statusz', '/flagz': 'configz',
    '/exec/a/b/c': 'proxy', '/attach/a/b/c': 'proxy', '/portForward/a/b': 'proxy', '/containerLogs/a/b/c': 'proxy', '/run/a/b/c': 'proxy', '/': 'proxy',
  };
  for (const [path, expected] of Object.entries(table)) it(`is ${expected} for ${path}`, () => assert.equal(subresourcesOf(path).join(' '), expected));
});
