import assert from 'node:assert/strict';
import { it } from 'node:test';
import { API_VERSION } from '../../api/group.ts';
import type { StorageBackendSpec, StorageBackendStatus } from '../../api/storage-backend.ts';
import { ManualClock } from '../../base/clock.ts';
import { KubeClient } from '../../kube/client.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { storageBackends, type StorageBackend } from '../../kube/yadokari.ts';
import { StorageBackendReconciler } from './controller.ts';

const signal = AbortSignal.timeout(20_000);
const CLASSES = '/apis/storage.k8s.io/v1/storageclasses';
const ceph: StorageBackendSpec = { ceph: { monitors: ['10.0.0.1'], pool: 'vms', filesystem: 'shared', secret: { name: 'ceph', namespace: 'yadokari-system' } } };

async function given(spec: StorageBackendSpec, { status, others = [], volumes = [], metadata = {} }: { readonly status?: StorageBackendStatus; readonly others?: readonly object[]; readonly volumes?: readonly object[]; readonly metadata?: object } = {}) {
  const api = new FakeApi();
  const backend = { apiVersion: API_VERSION, kind: 'StorageBackend', metadata: { name: 'ceph', uid: 'u1', generation: 1, ...metadata }, spec, ...(status === undefined ? {} : { status }) } as StorageBackend;
  api.put('/apis/yadokari.dev/v1alpha1/storagebackends', backend);
  for (const volume of volumes) api.put('/api/v1/persistentvolumes', volume as StorageBackend);
  for (const other of others) api.put(CLASSES, other as StorageBackend);
  const client = new KubeClient(api);
  const backends = new Informer(client, storageBackends);
  backends.start();
  await backends.waitForSync(signal);
  await new StorageBackendReconciler({ client, backends, clock: new ManualClock() }).reconcile('ceph', signal);
  await backends[Symbol.asyncDispose]();
  const found = api.objects.get('/apis/yadokari.dev/v1alpha1/storagebackends/ceph') as unknown as StorageBackend;
  return { api, ready: conditionOf(found.status?.conditions, 'Ready'), status: found.status, finalizers: found.metadata.finalizers ?? [], class: (name: string) => api.objects.get(`${CLASSES}/${name}`) as unknown as Record<string, unknown> | undefined };
}

it('makes a class of images and one of shared folders for a cluster of Ceph, owned by the backend', async () => {
  const { api, status, class: of } = await given({ ...ceph, classes: { default: true, reclaimPolicy: 'Retain' } });
  assert.deepEqual(status?.storageClasses, ['ceph', 'ceph-files']);
  assert.deepEqual([of('ceph')?.['provisioner'], of('ceph-files')?.['provisioner']], ['ceph.rbd.csi.yadokari.dev', 'ceph.cephfs.csi.yadokari.dev']);
  assert.equal(of('ceph')?.['reclaimPolicy'], 'Retain');
  assert.match(JSON.stringify(of('ceph')?.['metadata']), /is-default-class":"true"/);
  assert.match(JSON.stringify(of('ceph-files')?.['metadata']), /is-default-class":"false".*"uid":"u1"/);
  assert.ok(api.objects.has('/apis/storage.k8s.io/v1/csidrivers/ceph.rbd.csi.yadokari.dev'));
});

it('takes no class that somebody else has made', async () => {
  const theirs = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'ceph' }, provisioner: 'theirs' };
  const { ready, class: of } = await given(ceph, { others: [theirs] });
  assert.deepEqual([ready?.status, ready?.reason], ['False', 'NameTaken']);
  assert.match(ready?.message ?? '', /StorageClass ceph already/);
  assert.equal(of('ceph')?.['provisioner'], 'theirs');
});

const report = (name: string, reachable = true) => ({ name, reachable, ...(reachable ? {} : { message: 'no monitor answers' }) });
for (const [what, drivers, expected] of [
  ['nobody has said anything', [], ['Unknown', 'DriverSilent']],
  ['one driver does not reach it', [report('ceph.rbd.csi.yadokari.dev'), report('ceph.cephfs.csi.yadokari.dev', false)], ['False', 'Unreachable']],
  ['all reach it', [report('ceph.rbd.csi.yadokari.dev'), report('ceph.cephfs.csi.yadokari.dev')], ['True', 'Reachable']],
] as const) {
  it(`is ${expected[0]} when ${what}`, async () => {
    const { ready } = await given(ceph, { status: { drivers: [...drivers] } });
    assert.deepEqual([ready?.status, ready?.reason], expected);
  });
}

it('stays while there are volumes of it, and says so, and goes with the last of them', async () => {
  const deleted = { deletionTimestamp: '2026-11-28T00:00:00Z', finalizers: ['yadokari.dev/volumes'] };
  const volume = (name: string, driver: string) => ({ metadata: { name }, spec: { csi: { driver, volumeHandle: name } } });
  const { api, ready } = await given(ceph, { metadata: deleted, volumes: [volume('pv-a', 'ceph.cephfs.csi.yadokari.dev'), volume('pv-b', 'theirs')] });
  assert.deepEqual([ready?.status, ready?.reason], ['False', 'HasVolumes']);
  assert.match(ready?.message ?? '', /there are 1 PersistentVolume \(pv-a\) still/);
  assert.ok(!api.objects.has(`${CLASSES}/ceph`));
  const later = await given(ceph, { metadata: deleted, volumes: [volume('pv-b', 'theirs')] });
  assert.deepEqual(later.finalizers, []);
});

it('is kept from the first moment on', async () => {
  assert.deepEqual((await given(ceph)).finalizers, ['yadokari.dev/volumes']);
});
