import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../api/group.ts';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { BackendSource } from './backend-source.ts';

const BACKENDS = `/apis/${API_VERSION}/storagebackends`;
const SECRETS = '/api/v1/namespaces/yadokari-system/secrets';
const signal = AbortSignal.timeout(20_000);
const ceph = { monitors: ['10.0.0.1'], pool: 'vms', secret: { name: 'ceph', namespace: 'yadokari-system' } };

function given() {
  const api = new FakeApi();
  const clock = new ManualClock();
  return {
    api, clock, source: new BackendSource({ client: new KubeClient(api), name: 'ceph', kind: 'rbd', clock, log: silentLog }),
    backend: (spec: object) => api.put(BACKENDS, { metadata: { name: 'ceph' }, spec }),
    secret: (key: string) => api.put(SECRETS, { metadata: { name: 'ceph' }, data: { user: Buffer.from('csi').toString('base64'), key: Buffer.from(key).toString('base64') } } as never),
  };
}

/** Lets what waits on the clock go on, and then what that began. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  await delay(5);
  await clock.advance(ms);
  await delay(5);
}

it('waits for the StorageBackend and for the Secret that it names, and gives both apart', async () => {
  const { source, backend, secret, clock } = given();
  let found: unknown;
  void source.wait(signal).then((described) => (found = described));
  await pass(clock, 1000);
  backend({ ceph });
  await pass(clock, 1000);
  assert.equal(found, undefined);
  secret('k1');
  await pass(clock, 1000);
  assert.deepEqual(found, { settings: { monitors: ['10.0.0.1'], pool: 'vms' }, secret: { user: 'csi', key: 'k1' } });
});

for (const [what, change] of [
  ['the settings change', ({ backend }: ReturnType<typeof given>) => backend({ ceph: { ...ceph, pool: 'other' } })],
  ['the key changes', ({ secret }: ReturnType<typeof given>) => secret('k2')],
  ['the backend is gone', ({ api }: ReturnType<typeof given>) => api.remove(BACKENDS, 'ceph')],
] as const) {
  it(`is told when ${what}, and not when the API is away`, async () => {
    const world = given();
    world.backend({ ceph });
    world.secret('k1');
    let isChanged = false;
    void world.source.untilChanged(await world.source.wait(signal), signal).then(() => (isChanged = true));
    await pass(world.clock, 10_000);
    world.api.faults.push({ match: /storagebackends/, status: 503 });
    await pass(world.clock, 10_000);
    assert.equal(isChanged, false);
    change(world);
    await pass(world.clock, 10_000);
    assert.equal(isChanged, true);
  });
}
