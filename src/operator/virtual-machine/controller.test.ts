import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ANNOTATION_IMAGE_KEY, imageClaimName } from '../../api/image-claims.ts';
import { ANNOTATION_GUEST, API_VERSION, FINALIZER, LABEL_ATTACHMENT } from '../../api/group.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { KubeClient } from '../../kube/client.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { nodes, persistentVolumeClaims, podDisruptionBudgets, pods, type PersistentVolumeClaim, type Pod } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { instanceTypes, virtualMachineImages, virtualMachines, type VirtualMachine, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { memoryIpam } from '../../network/drivers/simulated/simulated-network.ts';
import { handleOfVirtualMachine } from '../../network/handle.ts';
import { anchorName } from './anchor.ts';
import { CACHE_LAG_MS } from './cache-lag.ts';
import { diskClaimsOf } from './claim-rivals.ts';
import { VirtualMachineReconciler } from './controller.ts';

const VMS = '/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines';
const PODS = '/api/v1/namespaces/shop/pods';
const signal = AbortSignal.timeout(20_000);

const machine = (change: Partial<VirtualMachine['metadata']> = {}, spec: Partial<VirtualMachine['spec']> = {}): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { namespace: 'shop', name: 'web', uid: 'u1', finalizers: [FINALIZER], ...change },
  spec: { memory: '1Gi', disks: [{ name: 'scratch', blank: {}, size: '1Gi', ephemeral: true }], ...spec },
});

async function given(vm: VirtualMachine, anchors: readonly Pod[] = [], others: { readonly machines?: readonly VirtualMachine[]; readonly claims?: readonly PersistentVolumeClaim[]; readonly images?: readonly VirtualMachineImage[] } = {}) {
  const api = new FakeApi();
  // The caches read all namespaces, writes go to one: the same object under both paths.
  const everywhere = '/apis/yadokari.dev/v1alpha1/virtualmachines';
  api.put(everywhere, vm);
  const stored = api.objects.get(`${everywhere}/web`);
  if (stored !== undefined) api.objects.set(`${VMS}/web`, stored);
  for (const anchor of anchors) for (const collection of [PODS, '/api/v1/pods']) api.put(collection, anchor);
  for (const other of others.machines ?? []) api.put(everywhere, other);
  for (const image of others.images ?? []) api.put('/apis/yadokari.dev/v1alpha1/virtualmachineimages', image);
  for (const claim of others.claims ?? []) api.put('/api/v1/persistentvolumeclaims', claim);
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const informers = {
    vms: new Informer(client, virtualMachines, { indexers: { diskClaim: diskClaimsOf } }),
    anchors: new Informer(client, pods, { indexers: { owner: (pod) => (pod.metadata.ownerReferences ?? []).map(({ uid }) => uid) } }),
    images: new Informer(client, virtualMachineImages), instanceTypes: new Informer(client, instanceTypes), nodes: new Informer(client, nodes), budgets: new Informer(client, podDisruptionBudgets),
    claims: new Informer(client, persistentVolumeClaims),
    attachments: new Informer(client, pods, { labelSelector: LABEL_ATTACHMENT, indexers: { anchor: (pod) => (pod.metadata.ownerReferences ?? []).map(({ uid }) => uid) } }),
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
    pod: (name: string) => api.objects.get(`${PODS}/${name}`) as unknown as Pod | undefined,
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

  it('is left alone where another runs it', async () => {
    const { finalizers: _none, ...metadata } = machine().metadata;
    const vm: VirtualMachine = { ...machine(), metadata, spec: { runStrategy: 'Always', provider: { openstack: { tenant: 'shop', server: 's1' } } } };
    await using world = await given(vm);
    await world.reconcile();
    assert.deepEqual([world.anchors(), world.vm().status, world.vm().metadata.finalizers], [[], undefined, undefined]);
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

describe('a virtual machine with a claim', () => {
  const data: PersistentVolumeClaim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { namespace: 'shop', name: 'data' }, spec: { volumeMode: 'Block', resources: { requests: { storage: '1Gi' } } } };
  const disks = [{ name: 'data', persistentVolumeClaim: 'data' }];
  const name = anchorName(machine(), undefined);

  it('waits for it, and lists it in its anchor', async () => {
    await using without = await given(machine({}, { disks }));
    await without.reconcile();
    assert.equal(without.vm().status?.printableStatus, 'ErrorPvcNotFound');
    await using world = await given(machine({}, { disks }), [], { claims: [data] });
    await world.reconcile();
    const spec = world.pod(name)?.spec;
    assert.deepEqual(spec?.['volumes'], [{ name: 'disk-data', persistentVolumeClaim: { claimName: 'data' } }]);
    assert.deepEqual(spec?.containers[0]?.['volumeDevices'], [{ name: 'disk-data', devicePath: '/dev/disk-data' }]);
  });

  it('does not run beside another one that has it, nor before an older one that is to', async () => {
    const other = machine({ name: 'other', uid: 'u0', creationTimestamp: '2025-01-01T00:00:00Z' }, { disks });
    await using world = await given(machine({ creationTimestamp: '2026-01-01T00:00:00Z' }, { disks }), [], { claims: [data], machines: [other] });
    await assert.rejects(world.reconcile(), { code: 'ClaimInUse', message: /claim data is a disk of VirtualMachine other too/ });
    await using halted = await given(machine({ creationTimestamp: '2026-01-01T00:00:00Z' }, { disks }), [], { claims: [data], machines: [{ ...other, spec: { ...other.spec, runStrategy: 'Halted' } }] });
    await halted.reconcile();
    assert.deepEqual(halted.anchors(), [name]);
  });

  it('that comes while the guest runs gets a pod that lists it, on the node of the anchor, and the agent is told', async () => {
    await using before = await given(machine());
    await before.reconcile();
    const anchor = before.pod(name);
    assert.ok(anchor !== undefined);
    const bound: Pod = { ...anchor, metadata: { ...anchor.metadata, uid: 'a1' }, spec: { ...anchor.spec, nodeName: 'n1' } };
    const spec = { disks: [...machine().spec.disks ?? [], ...disks] };
    await using world = await given(machine({}, spec), [bound], { claims: [data] });
    await world.reconcile();
    const attachment = world.pod(`${name}-data`);
    assert.deepEqual([attachment?.metadata.labels?.[LABEL_ATTACHMENT], attachment?.metadata.ownerReferences?.[0]?.uid, attachment?.spec['volumes']], ['web', 'a1', [{ name: 'disk-data', persistentVolumeClaim: { claimName: 'data' } }]]);
    assert.match(JSON.stringify(attachment?.spec['affinity']), /"metadata.name","operator":"In","values":\["n1"\]/);
    assert.match(world.pod(name)?.metadata.annotations?.[ANNOTATION_GUEST] ?? '', /"claim":\{"name":"data","mode":"Block"\},"sizeBytes":1073741824/);
    assert.equal(conditionOf(world.vm().status?.conditions, 'RestartRequired'), undefined);
  });
});

describe('a virtual machine with a disk in a StorageClass', () => {
  const image: VirtualMachineImage = { apiVersion: API_VERSION, kind: 'VirtualMachineImage', metadata: { namespace: 'shop', name: 'debian', uid: 'i1' }, spec: { source: { http: { url: 'https://images.example/debian.qcow2' } }, format: 'qcow2' } };
  const disks = [{ name: 'root', image: 'debian', storageClassName: 'ceph', size: '10Gi' }];
  const holder = imageClaimName({ image: 'debian', key: 'uid:i1', storageClassName: 'ceph', mode: 'Filesystem' });
  const held = (annotations: Readonly<Record<string, string>>): PersistentVolumeClaim => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { namespace: 'shop', name: holder, annotations }, spec: { resources: { requests: { storage: '2Gi' } } } });

  it('waits until the image is copied there', async () => {
    await using world = await given(machine({}, { disks }), [], { images: [image], claims: [held({})] });
    await world.reconcile();
    // A step that others usually follow at once is told of after a moment.
    await world.clock.advance(2000);
    await world.reconcile();
    assert.equal(world.vm().status?.printableStatus, 'Provisioning');
    assert.match(conditionOf(world.vm().status?.conditions, 'Ready')?.message ?? '', /image debian is being copied to StorageClass ceph/);
    assert.deepEqual(world.anchors(), []);
  });

  it('gets a clone of it as a claim of its own', async () => {
    await using world = await given(machine({}, { disks }), [], { images: [image], claims: [held({ [ANNOTATION_IMAGE_KEY]: 'uid:i1' })] });
    await world.reconcile();
    const claim = world.api.objects.get('/api/v1/namespaces/shop/persistentvolumeclaims/web-root') as unknown as PersistentVolumeClaim;
    assert.deepEqual([claim.spec.dataSource, claim.spec.resources, claim.metadata.ownerReferences?.[0]?.uid], [{ kind: 'PersistentVolumeClaim', name: holder }, { requests: { storage: '10Gi' } }, 'u1']);
  });

  it('takes no claim that is somebody else\'s', async () => {
    const theirs: PersistentVolumeClaim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { namespace: 'shop', name: 'web-root' }, spec: {} };
    await using world = await given(machine({}, { disks }), [], { images: [image], claims: [theirs] });
    await world.reconcile();
    assert.match(conditionOf(world.vm().status?.conditions, 'Ready')?.message ?? '', /there is a claim web-root already, which is not of this machine/);
    assert.deepEqual(world.anchors(), []);
  });
});
