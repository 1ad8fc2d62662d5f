import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { API_VERSION } from '../../api/group.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { KubeClient } from '../../kube/client.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { pods, type Pod } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { virtualMachines, yadoPods, type VirtualMachine, type YadoPod } from '../../kube/yadokari.ts';
import { PodReconciler } from './controller.ts';

const OURS = '/apis/yadokari.dev/v1alpha1/namespaces/shop/pods';
const CORE = '/api/v1/namespaces/shop/pods';
const signal = AbortSignal.timeout(20_000);

const ours = (change: Partial<YadoPod['metadata']> = {}): YadoPod => ({
  apiVersion: API_VERSION, kind: 'Pod', metadata: { name: 'api', namespace: 'shop', uid: 'u1', labels: { app: 'api' }, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'x' }, ...change },
  spec: { placement: { node: {} }, containers: [{ name: 'api', image: 'api:1' }], priorityClassName: 'high' },
});
const owned = (status: Pod['status']): Pod => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name: 'api', namespace: 'shop', uid: 'c1', ownerReferences: [{ apiVersion: API_VERSION, kind: 'Pod', name: 'api', uid: 'u1', controller: true }] },
  spec: { containers: [{ name: 'api' }], nodeName: 'n1' }, ...(status === undefined ? {} : { status }),
});

/** A reconciler whose caches hold what is given. */
async function given(pod: YadoPod, core?: Pod, machine?: VirtualMachine) {
  const api = new FakeApi();
  api.put(OURS, pod);
  api.put('/apis/yadokari.dev/v1alpha1/pods', pod);
  if (core !== undefined) {
    api.put(CORE, core);
    api.put('/api/v1/pods', core);
  }
  if (machine !== undefined) api.put('/apis/yadokari.dev/v1alpha1/virtualmachines', machine);
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const [yadoInformer, coreInformer, vms] = [new Informer(client, yadoPods), new Informer(client, pods), new Informer(client, virtualMachines)];
  const events = new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock });
  for (const informer of [yadoInformer, coreInformer, vms]) informer.start();
  await Promise.all([yadoInformer, coreInformer, vms].map((informer) => informer.waitForSync(signal)));
  const reconciler = new PodReconciler({ client, yadoPods: yadoInformer, pods: coreInformer, vms, events, clock });
  return {
    api,
    reconcile: () => reconciler.reconcile('shop/api', signal),
    status: () => (api.objects.get(`${OURS}/api`) as unknown as YadoPod).status,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([yadoInformer, coreInformer, vms].map((informer) => informer[Symbol.asyncDispose]()));
    },
  };
}

describe('a Pod of ours', () => {
  it('becomes a core/v1 Pod that it owns, without placement and kubectl bookkeeping', async () => {
    await using world = await given(ours());
    await world.reconcile();
    const made = world.api.objects.get(`${CORE}/api`) as unknown as Pod;
    assert.deepEqual(made.spec, { containers: [{ name: 'api', image: 'api:1' }], priorityClassName: 'high' });
    assert.deepEqual(made.metadata.labels, { app: 'api', 'yadokari.dev/pod': 'api' });
    assert.deepEqual(made.metadata.annotations, { note: 'x' });
    assert.deepEqual(made.metadata.ownerReferences?.map(({ kind, uid, controller }) => [kind, uid, controller]), [['Pod', 'u1', true]]);
  });

  it('shows the state of its core/v1 Pod', async () => {
    await using world = await given(ours(), owned({ phase: 'Running', podIP: '10.244.0.9', conditions: [{ type: 'Ready', status: 'True' }], containerStatuses: [{ name: 'api', ready: true, restartCount: 0 }] }));
    await world.reconcile();
    const { conditions, ...rest } = world.status() ?? {};
    assert.deepEqual(rest, { phase: 'Running', ready: '1/1', placement: 'node', pod: 'api', node: 'n1', address: '10.244.0.9' });
    assert.equal(conditionOf(conditions, 'Ready')?.reason, 'AsExpected');
  });

  it('says why it is not ready in the words of the container that waits', async () => {
    await using world = await given(ours(), owned({ phase: 'Pending', conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady' }], containerStatuses: [{ name: 'api', ready: false, restartCount: 0, state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } } }] }));
    await world.reconcile();
    const ready = conditionOf(world.status()?.conditions, 'Ready');
    assert.deepEqual([ready?.status, ready?.reason, ready?.message], ['False', 'ErrImagePull', 'no such image']);
  });

  it('goes to the guest of the machine that it names, of its own namespace', async () => {
    const pod = ours();
    await using world = await given({ ...pod, spec: { ...pod.spec, placement: { virtualMachine: { name: 'web' } } } });
    await world.reconcile();
    const { spec } = world.api.objects.get(`${CORE}/api`) as unknown as Pod;
    assert.deepEqual(spec['tolerations'], [{ key: 'yadokari.dev/virtual-node', operator: 'Exists', effect: 'NoSchedule' }]);
    assert.deepEqual(spec['affinity'], { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [
      { key: 'yadokari.dev/namespace', operator: 'In', values: ['shop'] },
      { key: 'yadokari.dev/virtual-machine', operator: 'In', values: ['web'] },
    ] }] } } });
  });

  it('gets a machine of its own, just large enough, which stops when it has ended', async () => {
    const pod = ours();
    const isolated: YadoPod = { ...pod, spec: { placement: { isolated: {} }, containers: [{ name: 'a', image: 'a:1', resources: { limits: { cpu: '1500m', memory: '64Mi' } } }, { name: 'b', image: 'b:1' }] } };
    await using world = await given(isolated);
    await world.reconcile();
    const machine = world.api.objects.get('/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines/api-vm') as unknown as VirtualMachine;
    assert.deepEqual([machine.spec.cpu, machine.spec.memory, machine.spec.containerHost, machine.spec.kernelBoot], [2, '448Mi', { maxPods: 1 }, { image: 'container-host' }]);
    assert.deepEqual(machine.metadata.ownerReferences?.map(({ kind, uid }) => [kind, uid]), [['Pod', 'u1']]);
    const core = world.api.objects.get(`${CORE}/api`) as unknown as Pod;
    assert.match(JSON.stringify(core.spec['affinity']), /"yadokari.dev\/virtual-machine","operator":"In","values":\["api-vm"\]/);
    await using ended = await given(isolated, owned({ phase: 'Succeeded' }), machine);
    ended.api.put('/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines', machine);
    await ended.reconcile();
    assert.equal((ended.api.objects.get('/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines/api-vm') as unknown as VirtualMachine).spec.runStrategy, 'Halted');
  });

  for (const [what, machine, reason] of [
    ['does not exist', undefined, 'VirtualMachineNotFound'],
    ['is no node', { memory: '128Mi' }, 'NotAContainerHost'],
    ['does not run', { memory: '128Mi', containerHost: {} }, 'VirtualMachineNotRunning'],
  ] as const) {
    it(`says that it waits for a machine that ${what}`, async () => {
      const pod = ours();
      const vm = machine === undefined ? undefined : { apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: 'web', namespace: 'shop' }, spec: machine, status: { printableStatus: 'Stopped' } } as VirtualMachine;
      const core = owned({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' }] });
      const { nodeName: _none, ...spec } = core.spec;
      await using world = await given({ ...pod, spec: { ...pod.spec, placement: { virtualMachine: { name: 'web' } } } }, { ...core, spec: { ...spec, containers: core.spec.containers } }, vm);
      await world.reconcile();
      assert.equal(conditionOf(world.status()?.conditions, 'PodScheduled')?.reason, reason);
      assert.equal(world.status()?.placement, 'vm/web');
    });
  }

  it('does not touch a pod of the same name that is not its own', async () => {
    const { ownerReferences: _owners, ...metadata } = owned({}).metadata;
    await using world = await given(ours(), { ...owned({}), metadata });
    await world.reconcile();
    assert.equal(conditionOf(world.status()?.conditions, 'Ready')?.reason, 'NameTaken');
    assert.deepEqual((world.api.objects.get(`${CORE}/api`) as unknown as Pod).metadata.ownerReferences, undefined);
  });

  it('says what the API server has against it, and tries again', async () => {
    await using world = await given(ours());
    world.api.faults.push({ match: /^POST .*\/pods/, status: 422, reason: 'Invalid' });
    await assert.rejects(async () => { await world.reconcile(); });
    assert.equal(conditionOf(world.status()?.conditions, 'Ready')?.reason, 'Refused');
    assert.equal(world.status()?.phase, 'Failed');
  });

  it('is left alone once it is being deleted', async () => {
    await using world = await given(ours({ deletionTimestamp: '2026-01-01T12:00:00Z' }));
    await world.reconcile();
    assert.deepEqual(world.api.requests.filter((request) => !request.startsWith('GET')), []);
  });
});
