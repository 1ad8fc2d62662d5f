import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { KubeClient } from '../../kube/client.ts';
import { endpointSlices, persistentVolumeClaims, secrets } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import type { KubeObject } from '../../kube/object.ts';
import { persistentVolumes } from '../../kube/storage.ts';
import { instanceTypes, virtualMachineImages, virtualMachines, type OpenStackTenant } from '../../kube/yadokari.ts';
import { ipPools, networkPolicies } from '../../network/calico/kinds.ts';
import { SimulatedCloud } from '../../openstack/drivers/simulated/cloud.ts';
import { Inventory } from '../../openstack/inventory.ts';
import { mirrorIndexers, type MirrorInformers } from './informers.ts';
import { Mirror } from './mirror.ts';
import { tenantStatus } from './status.ts';
import type { TenantSession } from './tenant-session.ts';

const signal = AbortSignal.timeout(20_000);
const VMS = '/apis/yadokari.dev/v1alpha1/namespaces/web/virtualmachines';
const tenant: OpenStackTenant = { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: 'web', name: 'shop', uid: 'u1', generation: 1 }, spec: { cloud: { secret: 'clouds' } } };

/** A project with servers of these names, and a cluster without Calico. */
async function given(...names: readonly string[]) {
  const api = new FakeApi();
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const cloud = new SimulatedCloud({ clock });
  for (const name of names) cloud.compute.add({ name, flavorId: 'm1.tiny', networks: 'none' });
  const inventory = new Inventory(cloud, { clock });
  await inventory.sync();
  const options = { namespace: 'web', indexers: mirrorIndexers };
  const present = {
    servers: new Informer(client, virtualMachines, options), flavors: new Informer(client, instanceTypes, options), images: new Informer(client, virtualMachineImages, options), keypairs: new Informer(client, secrets, options),
    claims: new Informer(client, persistentVolumeClaims, options), volumes: new Informer(client, persistentVolumes, options), hostNames: new Informer(client, endpointSlices, options),
  };
  const informers = { ...present, subnets: new Informer(client, ipPools, options), securityGroups: new Informer(client, networkPolicies, options) } as unknown as MirrorInformers;
  for (const informer of Object.values(present)) informer.start();
  await Promise.all(Object.values(present).map((informer) => informer.waitForSync(signal)));
  const mirror = new Mirror({ client, informers, clock, events: new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock }) }, 'web/shop');
  mirror.markAll(inventory.state);
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
  return {
    api, cloud, clock, mirror, informers, inventory,
    work: async () => {
      api.requests.length = 0;
      const round = await mirror.work({ tenant, state: inventory.state, reserved: [], compute: cloud.compute }, signal).catch(async (error: unknown) => {
        await settled();
        throw error;
      });
      await settled();
      return { ...round, writes: api.requests.filter((request) => !request.startsWith('GET')) };
    },
    machines: () => [...api.objects].filter(([path]) => path.startsWith(`${VMS}/`)).map(([, object]) => object as unknown as KubeObject),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(Object.values(informers).map((informer) => informer[Symbol.asyncDispose]()));
      await cloud[Symbol.asyncDispose]();
    },
  };
}

test('what is mirrored already is looked at and not written', async () => {
  await using world = await given('web');
  assert.ok((await world.work()).writes.length > 0);
  world.mirror.markAll(world.inventory.state);
  assert.deepEqual((await world.work()).writes, []);
});

test('only what differs is written', async () => {
  await using world = await given('web', 'db');
  await world.work();
  const [first] = world.cloud.compute.table.values();
  world.cloud.compute.change(first?.id ?? '', { metadata: { tier: 'web' } });
  await world.inventory.sync();
  world.mirror.markAll(world.inventory.state);
  assert.deepEqual((await world.work()).writes.map((write) => write.split('?')[0]), [`PATCH ${VMS}/web/status`]);
});

test('servers of one name are machines of different names, also when they are made at the same time', async () => {
  await using world = await given('web', 'web', 'web');
  await world.work();
  const names = world.machines().map(({ metadata }) => metadata.name);
  assert.equal(new Set(names).size, 3);
  assert.ok(names.includes('web') && names.every((name) => /^web(-[0-9a-f]{8})?$/.test(name)), names.join(', '));
});

test('kinds that the cluster lacks are told of and keep nothing from being mirrored', async () => {
  await using world = await given('web');
  const { left } = await world.work();
  assert.deepEqual([left, world.machines().length], [0, 1]);
  const session = { mirror: world.mirror, state: world.inventory.state, hasState: true, missing: [] } as unknown as TenantSession;
  const { problems = [] } = tenantStatus({ tenant, session, informers: world.informers, left, putBack: undefined, routes: undefined, nowMs: 0 });
  assert.deepEqual(problems.map((line) => line.split(':')[0]), ['subnets are not shown', 'securityGroups are not shown']);
});

test('what the API server refuses is a problem, and is tried again with the next sync alone', async () => {
  await using world = await given('web');
  world.api.faults.push({ match: /^POST .*virtualmachines/, status: 422, reason: 'Invalid' });
  await world.work();
  assert.match(world.mirror.problems.lines([]).join(), /VirtualMachine of web: /);
  assert.deepEqual([(await world.work()).writes, world.machines()], [[], []]);
  world.mirror.markLater();
  await world.work();
  assert.deepEqual([world.mirror.problems.lines([]), world.machines().length], [[], 1]);
});

test('a fault of the API server is thrown, and what met it stays to be looked at', async () => {
  await using world = await given('web', 'db');
  world.api.faults.push({ match: /^POST .*virtualmachines/, status: 500 });
  await assert.rejects(world.work(), /500|Status500/);
  assert.deepEqual([world.machines().length, world.mirror.dirty.count('servers', 'there')], [1, 1]);
  await world.work();
  assert.equal(world.machines().length, 2);
});

test('an object of that name that is not the tenant\'s is left as it is', async () => {
  await using world = await given('web');
  const foreign = { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { name: 'web', namespace: 'web', uid: 'other' }, spec: { memory: '1Gi' } };
  world.api.put(VMS, foreign);
  await world.work();
  const web = world.machines().find(({ metadata }) => metadata.name === 'web') as unknown as typeof foreign;
  assert.deepEqual([web.metadata.uid, web.spec, world.machines().length], ['other', { memory: '1Gi' }, 2]);
});

test('what is gone there goes here, and what is not the tenant\'s stays though it has its labels', async () => {
  await using world = await given('web');
  await world.work();
  const id = [...world.cloud.compute.table.keys()][0] ?? '';
  const labels = { 'openstack.yadokari.dev/tenant': 'shop', 'openstack.yadokari.dev/id': id };
  world.api.put(VMS, { metadata: { name: 'copy', namespace: 'web', uid: 'c', labels, ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'somebody', controller: true }] } } as never);
  world.cloud.compute.remove(id);
  await world.inventory.sync();
  world.mirror.markAll(world.inventory.state);
  await world.work();
  assert.deepEqual(world.machines().map(({ metadata }) => metadata.name), ['copy']);
});
