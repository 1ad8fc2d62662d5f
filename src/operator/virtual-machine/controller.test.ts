import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION, FINALIZER } from '../../api/group.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { KubeClient } from '../../kube/client.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { nodes, podDisruptionBudgets, pods, type Pod } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { instanceTypes, virtualMachineImages, virtualMachines, type VirtualMachine } from '../../kube/yadokari.ts';
import { memoryIpam } from '../../network/drivers/simulated/simulated-network.ts';
import { handleOfVirtualMachine } from '../../network/handle.ts';
import { anchorName } from './anchor.ts';
import { CACHE_LAG_MS } from './cache-lag.ts';
import { VirtualMachineReconciler } from './controller.ts';

const VMS = '/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines';
const PODS = '/api/v1/namespaces/shop/pods';
const signal = AbortSignal.timeout(20_000);

const machine = (change: Partial<VirtualMachine['metadata']> = {}, spec: Partial<VirtualMachine['spec']> = {}): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { namespace: 'shop', name: 'web', uid: 'u1', finalizers: [FINALIZER], ...change },
  spec: { memory: '1Gi', disks: [{ name: 'scratch', blank: {}, size: '1Gi', ephemeral: true }], ...spec },
});

async function given(vm: VirtualMachine, anchors: readonly Pod[] = []) {
  const api = new FakeApi();
  // The caches read all namespaces, writes go to one: the same object under both paths.
  const everywhere = '/apis/yadokari.dev/v1alpha1/virtualmachines';
  api.put(everywhere, vm);
  const stored = api.objects.get(`${everywhere}/web`);
  if (stored !== undefined) api.objects.set(`${VMS}/web`, stored);
  for (const anchor of anchors) for (const collection of [PODS, '/api/v1/pods']) api.put(collection, anchor);
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const informers = {
    vms: new Informer(client, virtualMachines),
    anchors: new Informer(client, pods, { indexers: { owner: (pod) => (pod.metadata.ownerReferences ?? []).map(({ uid }) => uid) } }),
    images: new Informer(client, virtualMachineImages), instanceTypes: new Informer(client, instanceTypes), nodes: new Informer(client, nodes), budgets: new Informer(client, podDisruptionBudgets),
  };
  for (const informer of Object.values(informers)) informer.start();
  await Promise.all(Object.values(informers).map((informer) => informer.waitForSync(signal)));
  const ipam = await memoryIpam();
  const events = new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock });
  const reconciler = new VirtualMachineReconciler({ client, ...informers, ipam, events, clock, log: silentLog, anchor: { pauseImage: 'pause:1', network: 'native' } });
  return {
    api, ipam, clock,
    /** Changes the spec as the cache sees it. */
    change: async (spec: Partial<VirtualMachine['spec']>) => {
      api.put(everywhere, { ...vm, spec: { ...vm.spec, ...spec } });
      await delay(20);
    },
    reconcile: async () => reconciler.reconcile('shop/web', signal),
    vm: () => api.objects.get(`${VMS}/web`) as unknown as VirtualMachine,
    anchors: () => [...api.objects].filter(([path]) => path.startsWith(`${PODS}/`)).map(([, pod]) => pod.metadata.name),
    [Symbol.asyncDispose]: async () => void await Promise.all(Object.values(informers).map((informer) => informer[Symbol.asyncDispose]())),
  };
}

describe('a virtual machine', () => {
  it('gets one anchor, also when its cache has not seen it yet', async () => {
    await using world = await given(machine());
    await world.reconcile();
    await world.reconcile();
    assert.deepEqual(world.anchors(), [anchorName(machine(), undefined)]);
    assert.equal(world.api.requests.filter((request) => /^POST .*\/pods/.test(request)).length, 1);
  });

  it('says what it waits for when an image is missing, and gets no anchor', async () => {
    await using world = await given(machine({}, { disks: [{ name: 'root', image: 'nope' }] }));
    await world.reconcile();
    const { printableStatus, conditions } = world.vm().status ?? {};
    assert.deepEqual([printableStatus, conditionOf(conditions, 'Ready')?.reason, world.anchors()], ['ErrImagePull', 'ImageNotFound', []]);
  });

  it('says why its anchor is refused, as by a quota, and tries again', async () => {
    await using world = await given(machine());
    world.api.faults.push({ match: /^POST .*\/pods/, status: 403, reason: 'Forbidden' });
    await assert.rejects(world.reconcile(), { code: 'AnchorRefused' });
    const { printableStatus, conditions } = world.vm().status ?? {};
    assert.deepEqual([printableStatus, conditionOf(conditions, 'Ready')?.reason], ['ErrorUnschedulable', 'AnchorRefused']);
    await world.clock.advance(CACHE_LAG_MS);
    await world.reconcile();
    assert.equal(world.anchors().length, 1);
  });

  it('tries again when the API server is overloaded, without a word in the status', async () => {
    await using world = await given(machine());
    world.api.faults.push({ match: /^POST .*\/pods/, status: 500 });
    await assert.rejects(world.reconcile());
    assert.equal(world.vm().status, undefined);
  });

  it('has a budget that refuses its eviction while its evictionStrategy is Block', async () => {
    const budgets = '/apis/policy/v1/poddisruptionbudgets';
    await using world = await given(machine({}, { evictionStrategy: 'Block' }));
    await world.reconcile();
    const path = '/apis/policy/v1/namespaces/shop/poddisruptionbudgets/evictionstrategy-block-web';
    const budget = world.api.objects.get(path);
    assert.deepEqual(budget?.spec, { minAvailable: 1, selector: { matchLabels: { 'yadokari.dev/virtual-machine': 'web' } } });
    if (budget !== undefined) world.api.put(budgets, budget);
    await world.change({ evictionStrategy: 'Restart' });
    await world.reconcile();
    assert.equal(world.api.objects.get(path), undefined);
  });

  it('goes once its anchors are gone and its address is released', async () => {
    await using world = await given(machine({ deletionTimestamp: '2026-01-01T12:00:00Z' }));
    const handle = handleOfVirtualMachine('shop', 'web');
    await world.ipam.assign({ handle, node: 'n1', attributes: {} });
    await world.reconcile();
    assert.deepEqual([world.vm().metadata.finalizers, await world.ipam.addressesOf(handle)], [[], []]);
  });

  it('keeps its address and its finalizer while an anchor is there', async () => {
    const anchor: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'shop', name: 'web-1', uid: 'p1', finalizers: ['yadokari.dev/guest'], deletionTimestamp: '2026-01-01T12:00:00Z', ownerReferences: [{ apiVersion: API_VERSION, kind: 'VirtualMachine', name: 'web', uid: 'u1', controller: true }] }, spec: { containers: [], nodeName: 'n1' } };
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } };
    await using world = await given(machine({ deletionTimestamp: '2026-01-01T12:00:00Z' }), [anchor]);
    world.api.put('/api/v1/nodes', node);
    const handle = handleOfVirtualMachine('shop', 'web');
    await world.ipam.assign({ handle, node: 'n1', attributes: {} });
    await world.reconcile();
    assert.deepEqual([world.vm().metadata.finalizers, (await world.ipam.addressesOf(handle)).length], [[FINALIZER], 1]);
  });
});
