import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { KubeClient } from '../../kube/client.ts';
import { secrets } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { SimulatedCloud } from '../../openstack/drivers/simulated/cloud.ts';
import { OpenStackError, type OpenStackErrorCode } from '../../openstack/errors.ts';
import { mirrorIndexers, type MirrorInformers } from './informers.ts';
import { TenantSession } from './tenant-session.ts';

const signal = AbortSignal.timeout(20_000);
const SECRETS = '/api/v1/namespaces/web/secrets';
const clouds = { clouds: { shop: { auth: { auth_url: 'https://cloud.example/v3', username: 'u', password: 'p', project_name: 'shop', user_domain_name: 'Default' } } } };
const tenant: OpenStackTenant = { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: 'web', name: 'shop', uid: 'u1', generation: 1 }, spec: { cloud: { secret: 'clouds' }, syncPeriodSeconds: 30 } };

async function given() {
  const api = new FakeApi();
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const world: { fault?: OpenStackErrorCode; retryAfterMs?: number; connects: number; enqueued: number } = { connects: 0, enqueued: 0 };
  const cloud = new SimulatedCloud({ clock, before: (service) => {
    if (world.fault !== undefined) throw new OpenStackError(world.fault, `${service}: the test wants it so`, { service, ...(world.retryAfterMs === undefined ? {} : { retryAfterMs: world.retryAfterMs }) });
  } });
  cloud.populate(3);
  const write = (name: string): void => api.put(SECRETS, { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'web', uid: 's1' }, data: { 'clouds.yaml': Buffer.from(JSON.stringify(clouds)).toString('base64') } } as never);
  write('clouds');
  const informer = new Informer(client, secrets, { indexers: mirrorIndexers });
  const informers = Object.fromEntries(['flavors', 'images', 'keypairs', 'securityGroups', 'subnets', 'claims', 'volumes', 'servers', 'hostNames'].map((name) => [name, informer])) as unknown as MirrorInformers;
  const session = new TenantSession({
    client, clock, informers, events: new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock }), enqueue: () => void (world.enqueued += 1),
    connect: async () => {
      world.connects += 1;
      return Object.assign(cloud, { [Symbol.asyncDispose]: async () => {} });
    },
  }, tenant);
  session.follow(tenant);
  return { session, world, clock, cloud, write };
}

test('a session knows the project after a sync, and asks again after the period', async () => {
  const { session, world } = await given();
  await using _session = session;
  assert.deepEqual([session.hasState, session.leftMs()], [false, 0]);
  await session.sync(tenant, signal);
  assert.deepEqual([session.fault, session.state.servers.size, session.identity?.projectName, session.leftMs()], [undefined, 3, 'simulated', 30_000]);
  assert.ok(session.mirror.dirty.count('servers', 'there') === 3);
  assert.equal(world.connects, 1);
});

test('a cloud that does not answer is asked again soon, then later and later, and what is known stays', async () => {
  const { session, world } = await given();
  await using _session = session;
  await session.sync(tenant, signal);
  world.fault = 'Unreachable';
  const waits: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    await session.sync(tenant, signal);
    waits.push(session.leftMs());
  }
  assert.ok(waits.every((ms, n) => ms <= Math.min(2000 * 2 ** n, 30_000) && ms >= Math.min(2000 * 2 ** n, 30_000) * 0.8), waits.join(', '));
  assert.deepEqual([session.state.servers.size, session.hasState], [3, true]);
  delete world.fault;
  await session.sync(tenant, signal);
  assert.deepEqual([session.fault, session.leftMs(), world.connects], [undefined, 30_000, 1]);
});

test('what a person has to put right is tried again after a minute at the earliest', async () => {
  const { session, world } = await given();
  await using _session = session;
  world.fault = 'AuthenticationFailed';
  await session.sync(tenant, signal);
  assert.deepEqual([(session.fault as OpenStackError).code, session.leftMs(), session.hasState], ['AuthenticationFailed', 60_000, false]);
});

test('a cloud that asks for patience has it', async () => {
  const { session, world } = await given();
  await using _session = session;
  [world.fault, world.retryAfterMs] = ['TooManyRequests', 90_000];
  await session.sync(tenant, signal);
  assert.equal(session.leftMs(), 90_000);
});

test('a Secret that was changed is another cloud, without waiting', async () => {
  const { session, world, write } = await given();
  await using _session = session;
  await session.sync(tenant, signal);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = world.enqueued;
  write('clouds');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([world.enqueued > before, session.leftMs()], [true, 0]);
  await session.sync(tenant, signal);
  assert.equal(world.connects, 2);
});

test('a changed tenant is looked at as a whole, and synced at once', async () => {
  const { session } = await given();
  await using _session = session;
  await session.sync(tenant, signal);
  session.mirror.dirty.take('servers', 100);
  session.follow({ ...tenant, metadata: { ...tenant.metadata, generation: 2 } });
  assert.deepEqual([session.mirror.dirty.count('servers', 'there'), session.leftMs()], [3, 0]);
});
