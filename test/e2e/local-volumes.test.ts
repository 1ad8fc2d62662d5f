import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isTrue } from '../../src/kube/conditions.ts';
import { pods } from '../../src/kube/core.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { documents, startTestCluster, type TestCluster } from '../env/cluster.ts';
import { shellContainer } from '../env/container-host-objects.ts';

const NAMESPACE = 'volumes';
/** A kubelet looks at the size of a volume when it looks at the pod anew, about once a minute. */
const GROWN_MS = 150_000;

const claim = (name: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '320Mi' } }, ...more } });
const user = (name: string, command: string, more: object = {}) => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, restartPolicy: 'Never', containers: [shellContainer(command, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: name } }], ...more },
});

/** Volumes of the nodes, by Kubernetes' own way: claims, classes, snapshots. */
describe('local volumes in a cluster', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = 60_000) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const ready = (name: string) => eventually(`${name} is Ready`, async () => isTrue((await cluster.client.get(pods, { namespace: NAMESPACE, name })).status?.conditions, 'Ready'));
  const field = (what: string, path: string) => kubectl('get', what, '-o', `jsonpath={${path}}`);

  before(async () => {
    cluster = await startTestCluster({ name: 'volumes', storage: ['local'] });
    await cluster.namespace(NAMESPACE);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('are made for a claim on the node of its pod, by the default class, and keep what pods write', async () => {
    await cluster.apply(NAMESPACE, documents(claim('one'), user('one', 'echo first > /v/file; sleep 100000', { nodeSelector: { 'kubernetes.io/hostname': 'n2' } })));
    await ready('one');
    assert.equal(await field('pvc/one', '.spec.storageClassName'), 'local');
    assert.equal(await field('pvc/one', '.status.phase'), 'Bound');
    await kubectl('delete', 'pod', 'one');
    // Nobody names the node: the volume does.
    await cluster.apply(NAMESPACE, documents(user('one', 'cat /v/file; sleep 100000')));
    await ready('one');
    assert.equal(await kubectl('logs', 'one'), 'first\n');
    assert.equal(await field('pod/one', '.spec.nodeName'), 'n2');
  });

  it('grow while they are in use', async () => {
    await kubectl('patch', 'pvc', 'one', '-p', '{"spec":{"resources":{"requests":{"storage":"400Mi"}}}}');
    await eventually('the claim has grown', async () => (await field('pvc/one', '.status.capacity.storage')) === '400Mi', GROWN_MS);
    const [, kib] = /^\S+\s+(\d+)/.exec((await kubectl('exec', 'one', '--', 'df', '-k', '/v')).split('\n')[1] ?? '') ?? [];
    assert.ok(Number(kib) > 330 * 1024, kib);
  });

  it('are copied: to a snapshot, from it, from each other', async () => {
    await cluster.apply(NAMESPACE, documents({ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: { name: 'then' }, spec: { source: { persistentVolumeClaimName: 'one' } } }));
    await eventually('the snapshot is ready', async () => (await field('volumesnapshot/then', '.status.readyToUse')) === 'true');
    await kubectl('exec', 'one', '--', 'sh', '-c', 'echo second > /v/file; sync');
    // The scheduler knows where volumes are, and not where snapshots are.
    const there = { nodeSelector: { 'kubernetes.io/hostname': 'n2' } };
    const size = { resources: { requests: { storage: '400Mi' } } };
    await cluster.apply(NAMESPACE, documents(
      claim('restored', { ...size, dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' } }), user('restored', 'cat /v/file; sleep 100000', there),
      claim('cloned', { ...size, dataSource: { kind: 'PersistentVolumeClaim', name: 'one' } }), user('cloned', 'cat /v/file; sleep 100000', there),
    ));
    for (const [name, said] of [['restored', 'first\n'], ['cloned', 'second\n']] as const) {
      await ready(name);
      assert.equal(await kubectl('logs', name), said, name);
    }
  });

  it('are there again after their node has crashed', async () => {
    await kubectl('delete', 'pod', 'restored', 'cloned');
    await kubectl('exec', 'one', '--', 'sync');
    const control = new ControlClient(clusterLayout(cluster.folder, cluster.status.name));
    await control.node('n2', 'crash');
    await control.node('n2', 'start');
    await kubectl('delete', 'pod', 'one', '--force', '--grace-period=0');
    await cluster.apply(NAMESPACE, documents(user('one', 'cat /v/file; sleep 100000')));
    await ready('one');
    assert.equal(await kubectl('logs', 'one'), 'second\n');
  });

  it('go with their claims, and leave nothing', async () => {
    await kubectl('delete', 'pod', 'one', '--force', '--grace-period=0');
    await kubectl('delete', 'pvc,volumesnapshot', '--all', '--timeout=60s');
    await eventually('no volume is left', async () => (await cluster.kubectl('get', 'pv,volumesnapshotcontents', '-o', 'name')) === '');
    const { nodes } = clusterLayout(cluster.folder, cluster.status.name);
    for (const node of cluster.nodes) for (const kind of ['volumes', 'snapshots']) assert.deepEqual(await readdir(join(nodes, node, 'var/lib/yadokari/volumes/local', kind)), [], `${kind} of ${node}`);
  });
});
