import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CompiledImage } from '../api/compiled-guest.ts';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { ImageReporter } from './image-reporter.ts';

const COLLECTION = '/apis/yadokari.dev/v1alpha1/namespaces/ns/virtualmachineimages';
const image: CompiledImage = { name: 'tiny', key: 'uid:1', source: { kind: 'file', path: '/tiny.tar' }, format: 'tar' };
const { signal } = new AbortController();

function setUp(node = 'n1') {
  const api = new FakeApi();
  api.put(COLLECTION, { metadata: { name: 'tiny', namespace: 'ns' } });
  return { api, reporter: new ImageReporter({ client: new KubeClient(api), node, clock: new ManualClock(), log: silentLog }) };
}

const writes = (api: FakeApi) => api.requests.filter((request) => request.startsWith('PATCH'));

test('tells that an image was imported, once', async () => {
  const { api, reporter } = setUp();
  for (let time = 0; time < 3; time += 1) reporter.report('ns', image, { phase: 'Imported', virtualSizeBytes: 7 }, signal);
  await delay(1);
  assert.equal(writes(api).length, 1);
  const { status } = api.objects.get(`${COLLECTION}/tiny`) as unknown as { status: { nodes: readonly Record<string, unknown>[] } };
  const { time, ...entry } = status.nodes[0] ?? {};
  assert.deepEqual(entry, { name: 'n1', phase: 'Imported', virtualSizeBytes: 7 });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
});

test('tells a failure, and what follows it', async () => {
  const { api, reporter } = setUp();
  reporter.report('ns', image, { phase: 'Failed', message: 'no' }, signal);
  reporter.report('ns', image, { phase: 'Failed', message: 'no' }, signal);
  reporter.report('ns', image, { phase: 'Imported' }, signal);
  await delay(1);
  assert.equal(writes(api).length, 2);
});

test('repeats a report that was lost, and none about an image that is gone', async () => {
  const { api, reporter } = setUp();
  api.faults.push({ match: /^PATCH/, status: 503 });
  reporter.report('ns', image, { phase: 'Imported' }, signal);
  await delay(1);
  reporter.report('ns', image, { phase: 'Imported' }, signal);
  await delay(1);
  assert.equal(writes(api).length, 2);
  reporter.report('ns', { ...image, name: 'gone' }, { phase: 'Imported' }, signal);
  reporter.report('ns', { ...image, name: 'gone' }, { phase: 'Imported' }, signal);
  await delay(1);
  assert.equal(writes(api).length, 3);
});

test('writes under a name of its own that the API server accepts, also for nodes with long names', async () => {
  const managerOf = async (node: string) => {
    const { api, reporter } = setUp(node);
    reporter.report('ns', image, { phase: 'Imported' }, signal);
    await delay(1);
    return new URLSearchParams(writes(api)[0]?.split('?')[1]).get('fieldManager') ?? '';
  };
  assert.equal(await managerOf('n1'), 'yadokari-agent.n1');
  const [first, second] = [await managerOf(`${'x'.repeat(200)}1`), await managerOf(`${'x'.repeat(200)}2`)];
  assert.notEqual(first, second);
  assert.ok(first.length <= 128);
});
