import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { KubeClient } from '../../kube/client.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { virtualMachineImages, virtualMachines, type OpenStackTenant, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { SimulatedCloud } from '../../openstack/drivers/simulated/cloud.ts';
import { EMPTY_STATE } from '../../openstack/inventory/state.ts';
import { mirrorIndexers, type MirrorInformers } from './informers.ts';
import { PROPERTY_ASKED_BY, Snapshots } from './snapshots.ts';

const signal = AbortSignal.timeout(20_000);
const API = '/apis/yadokari.dev/v1alpha1/namespaces/web';
const tenant: OpenStackTenant = { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: 'web', name: 'shop', uid: 'u1' }, spec: { cloud: { secret: 'clouds' }, servers: { mode: 'Manage' } } };
const saved = (name: string): Readonly<Record<string, unknown>> => ({ apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachineImage', metadata: { name, namespace: 'web', uid: `uid-${name}` }, spec: { source: { virtualMachine: { name: 'db' } }, format: 'qcow2' } });

/** A server, its machine `db`, and an object `backup` that asks for an image of it. */
async function given() {
  const api = new FakeApi();
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const cloud = new SimulatedCloud({ clock, actionMs: 2000 });
  const { id } = cloud.compute.add({ name: 'db', flavorId: 'm1.tiny', networks: 'none' });
  api.put(`${API}/virtualmachines`, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { name: 'db', namespace: 'web', uid: 'm' }, spec: { provider: { openstack: { tenant: 'shop', server: id } } } } as never);
  api.put(`${API}/virtualmachineimages`, saved('backup') as never);
  const options = { namespace: 'web', indexers: mirrorIndexers };
  const [servers, images] = [new Informer(client, virtualMachines, options), new Informer(client, virtualMachineImages, options)];
  for (const informer of [servers, images]) informer.start();
  await Promise.all([servers, images].map((informer) => informer.waitForSync(signal)));
  const context = { client, informers: { servers, images } as unknown as MirrorInformers };
  const world = { snapshots: new Snapshots(context) };
  let syncs = 0;
  return {
    api, cloud, clock,
    made: () => [...cloud.image.table.values()].filter(({ properties }) => properties[PROPERTY_ASKED_BY] !== undefined),
    /** As after a sync. */
    work: (fields: Partial<OpenStackTenant['spec']> = {}) => world.snapshots.work({ tenant: { ...tenant, spec: { ...tenant.spec, ...fields } }, state: EMPTY_STATE, cloud, syncedAtMs: (syncs += 1) }, signal),
    restart: () => void (world.snapshots = new Snapshots(context)),
    status: () => (api.objects.get(`${API}/virtualmachineimages/backup`) as unknown as VirtualMachineImage).status,
    settle: () => new Promise((resolve) => setTimeout(resolve, 30)),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([servers, images].map((informer) => informer[Symbol.asyncDispose]()));
      await cloud[Symbol.asyncDispose]();
    },
  };
}

test('an image that is asked for is made once, and its progress is told', async () => {
  await using world = await given();
  assert.equal(await world.work(), true);
  const [image] = world.made();
  assert.deepEqual([image?.name, world.status()?.snapshot?.image, world.status()?.snapshot?.phase], ['backup', image?.id, 'Saving']);
  // Before the cache shows it, and after.
  await world.work();
  await world.settle();
  assert.equal(await world.work(), true);
  assert.equal(world.status()?.glance?.status, 'queued');
  await world.clock.advance(2000);
  assert.equal(await world.work(), false);
  assert.deepEqual([world.status()?.snapshot?.phase, world.status()?.glance?.status, world.made().length], ['Saved', 'active', 1]);
});

test('an operator that was killed before it could write down the image finds it again', async () => {
  await using world = await given();
  world.api.faults.push({ match: /^PATCH .*virtualmachineimages/, status: 500 });
  await assert.rejects(world.work());
  world.restart();
  await world.work();
  assert.deepEqual([world.made().length, world.status()?.snapshot?.image], [1, world.made()[0]?.id]);
});

test('an image of a server that started from an older one is not taken for it', async () => {
  await using world = await given();
  await world.work();
  const [first] = world.made();
  await world.clock.advance(5000);
  world.cloud.image.begin('copy', 'raw', { [PROPERTY_ASKED_BY]: 'uid-backup' });
  world.restart();
  world.api.put(`${API}/virtualmachineimages`, saved('backup') as never);
  await world.settle();
  await world.work();
  assert.equal(world.status()?.snapshot?.image, first?.id);
});

test('what the cloud refuses is told in its words, and tried again with the next sync', async () => {
  await using world = await given();
  const [server] = world.cloud.compute.table.values();
  const { compute } = world.cloud;
  const createImage = compute.createImage.bind(compute);
  compute.createImage = async () => {
    await compute.act(server?.id ?? '', { kind: 'start' });
    return '';
  };
  await world.work();
  assert.deepEqual([world.status()?.snapshot?.phase, world.status()?.snapshot?.reason], ['Waiting', 'Conflict']);
  assert.match(world.status()?.snapshot?.message ?? '', /refuses to make an image of the server: .*Cannot 'start'/);
  compute.createImage = createImage;
  await world.settle();
  await world.work();
  assert.equal(world.status()?.snapshot?.phase, 'Saving');
});

test('nothing is made of servers that are only observed', async () => {
  await using world = await given();
  assert.equal(await world.work({ servers: { mode: 'Observe' } }), false);
  assert.deepEqual([world.status()?.snapshot?.reason, world.made()], ['OnlyObserved', []]);
});

test('an image that is gone from the cloud is not made anew', async () => {
  await using world = await given();
  await world.work();
  await world.cloud.image.deleteImage(world.made()[0]?.id ?? '');
  await world.settle();
  assert.equal(await world.work(), false);
  assert.deepEqual([world.status()?.snapshot?.reason, world.made().length], ['ImageGone', 0]);
  await world.settle();
  await world.work();
  assert.equal(world.made().length, 0);
});
