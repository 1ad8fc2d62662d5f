import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../api/group.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import type { KubeObject } from '../kube/object.ts';
import { StoppedMachines } from './stopped-machines.ts';

const COLLECTION = '/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines';
const machine = (name: string): KubeObject => ({ apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { namespace: 'shop', name, uid: `u-${name}` } });
const ref = (name: string) => ({ namespace: 'shop', name, uid: `u-${name}` });

test('the deletion of a machine that is followed is told, also when it came before the watch', async () => {
  const api = new FakeApi();
  api.put(COLLECTION, machine('web'));
  let told = 0;
  using stopped = new StoppedMachines({ client: new KubeClient(api), onGoing: () => (told += 1), log: silentLog });
  stopped.follow([ref('web')]);
  await delay(20);
  assert.equal(told, 0);
  assert.ok(api.requests.some((request) => request.includes('metadata.name%3Dweb')));
  api.remove(COLLECTION, 'web');
  await delay(20);
  assert.equal(told, 1);
  stopped.follow([ref('gone')]);
  await delay(20);
  assert.equal(told, 2);
  stopped.follow([]);
  api.put(COLLECTION, machine('gone'));
  await delay(20);
  assert.equal(told, 2);
});
