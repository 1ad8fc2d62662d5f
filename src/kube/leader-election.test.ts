import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { KubeClient } from './client.ts';
import { FakeApi } from './fake-api.ts';
import { LeadershipLostError, runAsLeader, type LeaderElectionOptions } from './leader-election.ts';

const lease = '/apis/coordination.k8s.io/v1/namespaces/ns/leases/lease';

function options(api: FakeApi, identity: string): LeaderElectionOptions {
  return { client: new KubeClient(api), namespace: 'ns', name: 'lease', identity, log: silentLog, leaseMs: 1000, renewDeadlineMs: 100, retryMs: 20 };
}

const holder = (api: FakeApi): unknown => (api.objects.get(lease)?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;

test('one leads at a time, and a clean end hands over at once', async () => {
  const api = new FakeApi();
  const log: string[] = [];
  const stop = new AbortController();
  const first = runAsLeader(options(api, 'one'), stop.signal, async () => {
    log.push('one begins');
    await new Promise((resolve) => setTimeout(resolve, 100));
    log.push('one ends');
  });
  await new Promise((resolve) => setTimeout(resolve, 30));
  const second = runAsLeader(options(api, 'two'), stop.signal, async () => void log.push('two begins'));
  await Promise.all([first, second]);
  assert.deepEqual(log, ['one begins', 'one ends', 'two begins']);
});

test('a lease that is not renewed is taken over after its time', async () => {
  const api = new FakeApi();
  api.put(lease.replace(/\/lease$/, ''), { metadata: { name: 'lease', namespace: 'ns' }, spec: { holderIdentity: 'dead', leaseDurationSeconds: 0.1, renewTime: 'long ago' } });
  let led = false;
  await runAsLeader(options(api, 'one'), new AbortController().signal, async () => {
    led = true;
    assert.equal(holder(api), 'one');
  });
  assert.ok(led);
});

test('a leader that cannot renew stops leading', async () => {
  const api = new FakeApi();
  const leading = runAsLeader(options(api, 'one'), new AbortController().signal, async (signal) => {
    api.faults.push(...Array.from({ length: 1000 }, () => ({ match: /leases/, status: 500 })));
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  });
  await assert.rejects(leading, LeadershipLostError);
});

test('a candidate that is stopped before it leads never leads', async () => {
  const api = new FakeApi();
  api.put(lease.replace(/\/lease$/, ''), { metadata: { name: 'lease', namespace: 'ns' }, spec: { holderIdentity: 'other', leaseDurationSeconds: 100, renewTime: 'now' } });
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  await runAsLeader(options(api, 'one'), stop.signal, async () => assert.fail('it leads'));
  assert.equal(holder(api), 'other');
});
