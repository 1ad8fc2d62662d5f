import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { API_VERSION } from '../../src/api/group.ts';
import { isTrue } from '../../src/kube/conditions.ts';
import { pods } from '../../src/kube/core.ts';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import { CephCluster } from '../env/ceph-cluster.ts';
import { cephPackages } from '../env/ceph-packages.ts';
import { documents, startTestCluster, type TestCluster } from '../env/cluster.ts';
import { shellContainer } from '../env/container-host-objects.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');
const NAMESPACE = 'kept';
const SYSTEM = 'yadokari-system';
const START_MS = 120_000;

const claim = (name: string, storageClassName: string, mode: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: { storageClassName, accessModes: [mode], resources: { requests: { storage: '64Mi' } }, ...more } });
const user = (name: string, node: string, of: string, command: string, more: object = {}) => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name },
  spec: {
    ...more, terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/hostname': node }, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: of } }],
    containers: [shellContainer(command, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
  },
});

/** Volumes of a real Ceph, by Kubernetes' own way: a StorageBackend, claims, snapshots. */
describe('volumes of Ceph in a cluster', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  let ceph: CephCluster;
  let key: string;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = START_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const ready = (name: string) => eventually(`${name} is Ready`, async () => isTrue((await cluster.client.get(pods, { namespace: NAMESPACE, name })).status?.conditions, 'Ready'));
  const field = (what: string, path: string) => kubectl('get', what, '-o', `jsonpath={${path}}`);
  const toldOf = (name: string) => kubectl('get', 'events', '--field-selector', `involvedObject.name=${name},reason=ProvisioningFailed`, '-o', 'jsonpath={.items[*].message}');
  const check = () => run('sh', ['-c', '"$@"; echo "exits with $?"', 'sh', process.execPath, yado, 'storage', 'check', '--name', cluster.status.name, '--state-root', cluster.folder], { timeoutMs: START_MS });
  const secret = (of: string) => documents({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'ceph' }, stringData: { user: 'yado', key: of } });

  before(async () => {
    await ensurePackages({ progress: silentProgress, install: true, extra: cephPackages, environment: process.env });
    cluster = await startTestCluster({ name: 'ceph', storage: ['ceph'] });
    await cluster.namespace(NAMESPACE);
    // The host's own address on the nodes' network.
    ceph = await CephCluster.start((cluster.status.nodes[0]?.address ?? '').replace(/\d+$/, '1'));
    await ceph.pool('vms');
    await ceph.fileSystem('shared');
    key = await ceph.user('yado', { mon: 'allow *', mgr: 'allow *', osd: 'allow *', mds: 'allow *' });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await ceph?.[Symbol.asyncDispose]();
  });

  it('are offered once a StorageBackend says where they are, and its state says whether it is reached', async () => {
    await cluster.apply(SYSTEM, secret('AQBnonsensenonsensenonsensenonsenseAAAAA=='));
    await cluster.apply(SYSTEM, documents({ apiVersion: API_VERSION, kind: 'StorageBackend', metadata: { name: 'ceph' }, spec: { ceph: { monitors: ceph.monitors, pool: 'vms', filesystem: 'shared', secret: { name: 'ceph', namespace: SYSTEM } } } }));
    await eventually('a wrong key is told of', async () => /does not take the key of client\.yado/.test(await field('storagebackend/ceph', ".status.conditions[?(@.type=='Ready')].message")));
    await cluster.apply(SYSTEM, secret(key));
    await cluster.kubectl('wait', '--for=condition=Ready', 'storagebackend/ceph', '--timeout=120s');
    assert.equal(await field('storagebackend/ceph', '.status.storageClasses'), '["ceph","ceph-files"]');
  });

  it('follow a pod from node to node, with a file system on an image', async () => {
    await cluster.apply(NAMESPACE, documents(claim('disk', 'ceph', 'ReadWriteOnce'), user('one', 'n1', 'disk', 'echo first > /v/file; sleep 100000')));
    await ready('one');
    await kubectl('delete', 'pod', 'one');
    // Whoever is not root has the volume by its group.
    await cluster.apply(NAMESPACE, documents(user('two', 'n2', 'disk', 'cat /v/file; echo second > /v/other && stat -c %g /v/other; sleep 100000', { securityContext: { runAsUser: 1000, fsGroup: 2000 } })));
    await ready('two');
    assert.equal(await kubectl('logs', 'two'), 'first\n2000\n');
  });

  it('are written to by pods of two nodes at once, who see what the other writes', async () => {
    await cluster.apply(NAMESPACE, documents(claim('files', 'ceph-files', 'ReadWriteMany'), user('east', 'n1', 'files', 'echo east > /v/east; sleep 100000'), user('west', 'n2', 'files', 'echo west > /v/west; sleep 100000')));
    await Promise.all(['east', 'west'].map(ready));
    assert.equal(await kubectl('exec', 'east', '--', 'cat', '/v/west'), 'west\n');
    assert.equal(await kubectl('exec', 'west', '--', 'cat', '/v/east'), 'east\n');
  });

  it('are copied by way of a snapshot', async () => {
    await cluster.apply(NAMESPACE, documents({ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: { name: 'then' }, spec: { volumeSnapshotClassName: 'ceph', source: { persistentVolumeClaimName: 'disk' } } }));
    await eventually('the snapshot is ready', async () => (await field('volumesnapshot/then', '.status.readyToUse')) === 'true');
    await cluster.apply(NAMESPACE, documents(claim('copy', 'ceph', 'ReadWriteOnce', { dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' } }), user('three', 'n1', 'copy', 'cat /v/file; sleep 100000')));
    await ready('three');
    assert.equal(await kubectl('logs', 'three'), 'first\n');
  });

  it('are refused with a reason where they cannot be', async () => {
    const { provisioner } = JSON.parse(await cluster.kubectl('get', 'storageclass', 'ceph', '-o', 'json')) as { provisioner: string };
    await cluster.apply(NAMESPACE, documents({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'odd' }, provisioner, parameters: { colour: 'blue' } }, claim('odd', 'odd', 'ReadWriteOnce'), claim('wide', 'ceph', 'ReadWriteMany')));
    for (const [name, said] of [['odd', /InvalidArgument.*parameter colour is not known; known are flatten/], ['wide', /InvalidArgument.*not for many nodes; it is for one node/]] as const) {
      await eventually(`${name} is told why`, async () => said.test(await toldOf(name)));
    }
    assert.match(await cluster.refusal(NAMESPACE, documents(claim('none', 'ceph', 'ReadWriteOnce', { resources: { requests: { storage: '0' } } }))), /must be greater than zero/);
    await assert.rejects(kubectl('patch', 'pvc', 'disk', '-p', '{"spec":{"resources":{"requests":{"storage":"32Mi"}}}}'), /can not be less than/);
    await kubectl('delete', 'pvc', 'odd', 'wide');
    await cluster.kubectl('delete', 'storageclass', 'odd');
  });

  it('wait for a Ceph that is away, and say so', async () => {
    await ceph.kill('mon');
    try {
      await cluster.apply(NAMESPACE, documents(claim('late', 'ceph', 'ReadWriteOnce')));
      await eventually('the claim is told why', async () => /Unavailable|DeadlineExceeded/.test(await toldOf('late')));
      await eventually('the backend is told of', async () => (await field('storagebackend/ceph', ".status.conditions[?(@.type=='Ready')].reason")) === 'Unreachable');
    } finally {
      ceph.run('mon');
    }
    await cluster.kubectl('wait', '--for=condition=Ready', 'storagebackend/ceph', '--timeout=120s');
    await eventually('the claim is served', async () => (await field('pvc/late', '.status.phase')) === 'Bound');
  });

  it('are looked through for what nobody needs', async () => {
    const image = `vol-${'0'.repeat(40)}-${'0'.repeat(8)}`;
    assert.match(await check(), /^none.*exits with 0/s);
    await ceph.rbd('create', '--size', '8', `vms/${image}`);
    assert.match(await check(), new RegExp(`ceph +ceph\\.rbd\\.csi\\.yadokari\\.dev +- +image ${image} is of no volume\n.*exits with 1`, 's'));
    await ceph.rbd('rm', '--no-progress', `vms/${image}`);
  });

  it('keep their StorageBackend until they are gone', async () => {
    await cluster.kubectl('delete', 'storagebackend', 'ceph', '--wait=false');
    await eventually('it says why it stays', async () => /HasVolumes/.test(await field('storagebackend/ceph', ".status.conditions[?(@.type=='Ready')].reason")));
  });

  it('go with their claims, and leave nothing in Ceph', async () => {
    await kubectl('delete', 'pod', '--all');
    await kubectl('delete', 'pvc', 'copy');
    await kubectl('delete', 'volumesnapshot', 'then');
    await kubectl('delete', 'pvc', '--all');
    await eventually('no volume is left', async () => (await cluster.kubectl('get', 'pv', '-o', 'name')) === '');
    await eventually('no image is left', async () => (await ceph.rbd('ls', 'vms')) === '');
    assert.equal((await ceph.ceph('fs', 'subvolume', 'ls', 'shared', 'csi', '--format', 'json')).trim(), '[]');
    await eventually('the backend is gone with the last of them', async () => (await cluster.kubectl('get', 'storagebackend', '-o', 'name')) === '');
    await eventually('its classes are gone', async () => !(await cluster.kubectl('get', 'storageclass', '-o', 'name')).includes('/ceph'));
  });
});
