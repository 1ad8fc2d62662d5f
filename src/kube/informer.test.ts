import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeClient } from './client.ts';
import { FakeApi } from './fake-api.ts';
import { Informer, type Change } from './informer.ts';
import { defineResource, type KubeObject } from './object.ts';

const widgets = defineResource<KubeObject>('v1', 'Widget', 'widgets', false);
const path = '/api/v1/widgets';
const widget = (name: string, uid = name): KubeObject => ({ apiVersion: 'v1', kind: 'Widget', metadata: { name, uid } });

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    assert.ok(tries < 500, 'it did not come true within five seconds');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function start(api: FakeApi): { informer: Informer<KubeObject>; changes: string[] } & AsyncDisposable {
  const informer = new Informer(new KubeClient(api), widgets, { indexers: { first: ({ metadata }) => [metadata.name.slice(0, 1)] } });
  const changes: string[] = [];
  informer.onChange(({ type, object }: Change<KubeObject>) => void changes.push(`${type} ${object.metadata.name}`));
  informer.start();
  return { informer, changes, [Symbol.asyncDispose]: () => informer[Symbol.asyncDispose]() };
}

test('lists in pages, then follows the watch', async () => {
  const api = new FakeApi();
  for (let index = 0; index < 1001; index += 1) api.put(path, widget(`w${index}`));
  await using started = start(api);
  await started.informer.waitForSync();
  assert.equal(started.informer.list().length, 1001);
  assert.equal(api.requests.filter((call) => call.includes('limit=500')).length, 3);
  await until(() => api.watches === 1);
  api.put(path, widget('new'));
  api.remove(path, 'w0');
  await until(() => started.informer.get('w0') === undefined);
  assert.deepEqual(started.changes.slice(-2), ['added new', 'deleted w0']);
});

test('objects are frozen all the way down', async () => {
  const api = new FakeApi();
  api.put(path, widget('a'));
  await using started = start(api);
  await started.informer.waitForSync();
  assert.throws(() => Object.assign(started.informer.get('a')?.metadata ?? {}, { name: 'b' }), TypeError);
});

test('goes on from the last seen version when a watch ends', async () => {
  const api = new FakeApi();
  await using started = start(api);
  await until(() => api.watches === 1);
  api.emit({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '4711' } } });
  await until(() => api.requests.length >= 2);
  api.endWatches();
  await until(() => api.requests.some((call) => call.includes('resourceVersion=4711')));
  assert.equal(api.requests.filter((call) => call.includes('limit=500')).length, 1);
  assert.ok(started.informer.hasSynced);
});

test('lists again after 410 Gone and tells what was missed', async () => {
  const api = new FakeApi();
  api.put(path, widget('a'));
  api.put(path, widget('b'));
  await using started = start(api);
  await until(() => api.watches === 1);
  api.objects.delete(`${path}/a`);
  api.emit({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
  await until(() => started.changes.includes('deleted a'));
  assert.deepEqual(started.informer.list().map(({ metadata }) => metadata.name), ['b']);
});

test('keeps the last known state while the API server is away', async () => {
  const api = new FakeApi();
  api.put(path, widget('a'));
  await using started = start(api);
  await until(() => api.watches === 1);
  for (let index = 0; index < 3; index += 1) api.faults.push({ match: /watch=true/, status: 503 });
  api.endWatches();
  await until(() => api.faults.length === 0);
  assert.equal(started.informer.get('a')?.metadata.name, 'a');
  await until(() => api.watches === 1);
});

test('an object made anew under the same name is a deletion and an addition', async () => {
  const api = new FakeApi();
  api.put(path, widget('a', 'first'));
  await using started = start(api);
  await until(() => api.watches === 1);
  api.put(path, widget('a', 'second'));
  await until(() => started.changes.length === 3);
  assert.deepEqual(started.changes, ['added a', 'deleted a', 'added a']);
});

test('finds objects by index, also after they changed', async () => {
  const api = new FakeApi();
  for (const name of ['apple', 'avocado', 'banana']) api.put(path, widget(name));
  await using started = start(api);
  await started.informer.waitForSync();
  assert.deepEqual(started.informer.byIndex('first', 'a').map(({ metadata }) => metadata.name), ['apple', 'avocado']);
  await until(() => api.watches === 1);
  api.remove(path, 'apple');
  await until(() => started.informer.byIndex('first', 'a').length === 1);
  assert.throws(() => started.informer.byIndex('last', 'a'), /no index last; there are first/);
});

test('waitForSync rejects when the informer ends first', async () => {
  const api = new FakeApi();
  api.faults.push(...Array.from({ length: 50 }, () => ({ match: /GET/, status: 500 })));
  const { informer } = start(api);
  const waiting = assert.rejects(informer.waitForSync(), /stopped/);
  await informer[Symbol.asyncDispose]();
  await waiting;
});
