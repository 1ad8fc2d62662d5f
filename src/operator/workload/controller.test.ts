import assert from 'node:assert/strict';
import { it } from 'node:test';
import { API_VERSION } from '../../api/group.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { KubeClient } from '../../kube/client.ts';
import { pods, type Pod } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { virtualMachines, type VirtualMachine } from '../../kube/yadokari.ts';
import { WorkloadReconciler, workloadOf } from './controller.ts';

const POD = '/api/v1/namespaces/shop/pods/web';
const signal = AbortSignal.timeout(20_000);

const machine = (image?: string): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: 'web', namespace: 'shop', uid: 'u1' },
  spec: { memory: '1Gi', containerHost: {}, ...(image === undefined ? {} : { containers: [{ name: 'c', image }] }) },
});

async function given(vm: VirtualMachine | undefined, pod?: Pod) {
  const api = new FakeApi();
  if (vm !== undefined) api.put('/apis/yadokari.dev/v1alpha1/virtualmachines', vm);
  if (pod !== undefined) {
    api.put('/api/v1/pods', pod);
    api.put('/api/v1/namespaces/shop/pods', pod);
  }
  const client = new KubeClient(api);
  const [vms, workloads] = [new Informer(client, virtualMachines), new Informer(client, pods)];
  for (const informer of [vms, workloads]) informer.start();
  await Promise.all([vms.waitForSync(signal), workloads.waitForSync(signal)]);
  const events = new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock: new ManualClock() });
  const { reconcile } = new WorkloadReconciler({ client, vms, workloads, events });
  return {
    api,
    reconcile: () => reconcile('shop/web', signal),
    pod: () => api.objects.get(POD) as unknown as Pod | undefined,
    [Symbol.asyncDispose]: async () => {
      await vms[Symbol.asyncDispose]();
      await workloads[Symbol.asyncDispose]();
    },
  };
}

it('runs the containers of a machine as a pod in its guest, owned by the machine', async () => {
  await using world = await given(machine('app:1'));
  await world.reconcile();
  const pod = world.pod();
  assert.deepEqual(pod?.spec.containers, [{ name: 'c', image: 'app:1' }]);
  assert.deepEqual(pod.metadata.labels, { 'yadokari.dev/workload': 'web' });
  assert.deepEqual(pod.metadata.ownerReferences?.map(({ uid, controller }) => [uid, controller]), [['u1', true]]);
  assert.match(JSON.stringify(pod.spec['affinity']), /"values":\["web"\]/);
});

it('leaves the pod as it is while nothing changes, and replaces it when the containers do', async () => {
  const pod = workloadOf(machine('app:1'));
  await using same = await given(machine('app:1'), pod);
  await same.reconcile();
  assert.deepEqual(same.api.requests.filter((request) => !request.startsWith('GET')), []);
  await using changed = await given(machine('app:2'), pod);
  await changed.reconcile();
  assert.equal(changed.pod(), undefined);
});

it('removes the pod when the machine lists no containers any more, or is gone', async () => {
  for (const vm of [machine(), undefined]) {
    await using world = await given(vm, workloadOf(machine('app:1')));
    await world.reconcile();
    assert.equal(world.pod(), undefined);
  }
});

it('never touches a pod of the same name that is somebody else\'s', async () => {
  const pod = workloadOf(machine('app:1')) as Pod;
  await using world = await given(machine('app:2'), { ...pod, metadata: { ...pod.metadata, ownerReferences: [] } });
  await world.reconcile();
  assert.ok(world.pod());
});
