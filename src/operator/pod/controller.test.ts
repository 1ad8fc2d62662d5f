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
import { yadoPods, type YadoPod } from '../../kube/yadokari.ts';
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
async function given(pod: YadoPod, core?: Pod) {
  const api = new FakeApi();
  api.put(OURS, pod);
  api.put('/apis/yadokari.dev/v1alpha1/pods', pod);
  if (core !== undefined) {
    api.put(CORE, core);
    api.put('/api/v1/pods', core);
  }
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const [yadoInformer, coreInformer] = [new Informer(client, yadoPods), new Informer(client, pods)];
  const events = new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock });
  for (const informer of [yadoInformer, coreInformer]) informer.start();
  await Promise.all([yadoInformer, coreInformer].map((informer) => informer.waitForSync(signal)));
  const reconciler = new PodReconciler({ client, yadoPods: yadoInformer, pods: coreInformer, events, clock });
  return {
    api,
    reconcile: () => reconciler.reconcile('shop/api', signal),
    status: () => (api.objects.get(`${OURS}/api`) as unknown as YadoPod).status,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([yadoInformer, coreInformer].map((informer) => informer[Symbol.asyncDispose]()));
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
