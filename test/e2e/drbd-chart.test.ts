import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { pods } from '../../src/kube/core.ts';
import { replicatedVolumes, storageBackends } from '../../src/kube/yadokari.ts';
import { again } from '../env/csi-volumes.ts';
import { DrbdChart } from '../env/drbd-chart.ts';
import type { DrbdNode } from '../env/drbd-cluster.ts';

const STAGED = '/var/lib/kubelet/plugins/kubernetes.io/csi/drbd/staged';
const volumeCapability = { mount: { fsType: 'ext4' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
const PATIENCE_MS = 180_000;

interface Claim {
  readonly spec: { readonly volumeName?: string };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly { readonly type: string }[] };
}

interface Volume {
  readonly spec: { readonly capacity: { readonly storage: string }; readonly csi: { readonly volumeHandle: string }; readonly nodeAffinity: { readonly required: object } };
}

describe('replicated volumes by the chart', { timeout: 3_600_000 }, () => {
  let chart: DrbdChart;
  let nodes: readonly [DrbdNode, DrbdNode];
  let handle = '';

  const get = async <T>(path: string): Promise<T | undefined> => chart.cluster.api.client.raw({ method: 'GET', path }).then((text) => JSON.parse(text) as T, () => undefined);
  const claim = (): Promise<Claim | undefined> => get('/api/v1/namespaces/default/persistentvolumeclaims/data');
  const volume = async (): Promise<Volume | undefined> => get(`/api/v1/persistentvolumes/${(await claim())?.spec.volumeName ?? ''}`);

  /** What it resolves to once that is something. */
  const until = async <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> => {
    for (const giveUpAt = Date.now() + PATIENCE_MS; ; await delay(300)) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > giveUpAt) throw new Error(`waited in vain until ${what}:\n${(await Promise.all(['driver', 'provisioner', 'resizer', 'scheduler'].map(async (name) => `== ${name}\n${(await chart.logOf(name)).slice(-1500)}`))).join('\n')}\n${await chart.cluster.debug()}`);
    }
  };
  /** A pod that has the claim is bound to the node; that it runs there is left to the test. */
  const bind = async (name: string, node: string): Promise<void> => {
    await chart.cluster.api.create(stringify({
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' },
      spec: { nodeSelector: { 'kubernetes.io/hostname': node }, containers: [{ name: 'main', image: 'none', volumeMounts: [{ name: 'data', mountPath: '/data' }] }], volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
    }));
    await until(`${name} is bound to ${node}`, async () => (await chart.cluster.api.client.get(pods, { name, namespace: 'default' })).spec.nodeName === node);
  };
  const stage = (node: DrbdNode) => node.call('NodeStageVolume', { volumeId: handle, stagingTargetPath: STAGED, volumeCapability });
  const unstage = (node: DrbdNode) => node.call('NodeUnstageVolume', { volumeId: handle, stagingTargetPath: STAGED });
  const remove = (name: string) => chart.cluster.api.client.delete(pods, { name, namespace: 'default' }, { gracePeriodSeconds: 0 });

  before(async () => {
    chart = await DrbdChart.start();
    ({ nodes } = chart.cluster);
  });
  after(() => chart?.[Symbol.asyncDispose]());

  it('say what nodes have for them', async () => {
    const { places } = await until('the backend is reached', async () => {
      const { status } = await chart.cluster.api.client.get(storageBackends, { name: 'drbd' });
      return status?.drivers?.[0]?.reachable === true && status;
    });
    assert.deepEqual(places?.toSorted((a, b) => a.node.localeCompare(b.node)).map(({ node, lacking, version }) => [node, lacking, version?.startsWith('8.4')]), [['n1', undefined, true], ['n2', undefined, true]]);
  });

  it('are made for a claim where its first pod is to run, and can be had where they are kept', async () => {
    const [, two] = nodes;
    await chart.cluster.api.create(stringify({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', namespace: 'default' }, spec: { storageClassName: 'drbd', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } } } }));
    await bind('first', 'n2');
    assert.equal((await claim())?.status?.phase, 'Bound');
    const made = await volume();
    handle = made?.spec.csi.volumeHandle ?? '';
    assert.match(JSON.stringify(made?.spec.nodeAffinity.required), /"n2".*"n1"/);
    await stage(two);
    await two.sh(`echo kept > ${STAGED}/file; sync -f ${STAGED}`);
    assert.match(await two.sh(`grep ${STAGED} /proc/mounts`), /^\/dev\/drbd\d+ /m);
  });

  it('grow with the claim', async () => {
    const [, two] = nodes;
    await chart.cluster.api.client.raw({ method: 'PATCH', path: '/api/v1/namespaces/default/persistentvolumeclaims/data', contentType: 'application/merge-patch+json', body: JSON.stringify({ spec: { resources: { requests: { storage: '128Mi' } } } }) });
    await until('the node is asked to let the file system grow', async () => (await claim())?.status?.conditions?.some(({ type }) => type === 'FileSystemResizePending') === true);
    assert.equal((await volume())?.spec.capacity.storage, '128Mi');
    await two.call('NodeExpandVolume', { volumeId: handle, volumePath: STAGED, stagingTargetPath: STAGED, capacityRange: { requiredBytes: 128 * 2 ** 20 }, volumeCapability });
    assert.ok(Number(await two.sh(`df --output=size -B 1M ${STAGED} | tail -n 1`)) > 100);
  });

  it('have the same on the other node, which may write when the first has let go', async () => {
    const [one, two] = nodes;
    await assert.rejects(one.call('NodeStageVolume', { volumeId: handle, stagingTargetPath: STAGED, volumeCapability }, 100_000), /n2/);
    await unstage(two);
    await remove('first');
    await bind('second', 'n1');
    await stage(one);
    assert.equal((await one.sh(`cat ${STAGED}/file`)).trim(), 'kept');
  });

  it('go on at the other node when the one that writes crashes, and are made whole when it is back', async () => {
    const [one, two] = nodes;
    await one.sh(`echo changed > ${STAGED}/file; sync -f ${STAGED}`);
    await one.machine.crash();
    await again(() => stage(two), PATIENCE_MS);
    assert.equal((await two.sh(`cat ${STAGED}/file`)).trim(), 'changed');
    const { fence } = (await chart.cluster.until(handle, ({ spec }) => spec.fence.outdated.length > 0)).spec;
    assert.deepEqual([fence.outdated, fence.by], [['n1'], 'n2']);
    await one.machine.boot();
    await one.startDriver();
    await chart.cluster.until(handle, ({ spec, status }) => spec.fence.outdated.length === 0 && status?.replicas?.every(({ disk }) => disk === 'UpToDate') === true);
    await unstage(two);
  });

  it('go with their claim, and nobody asked for what it has no right to', async () => {
    await remove('second');
    await chart.cluster.api.client.raw({ method: 'DELETE', path: '/api/v1/namespaces/default/persistentvolumeclaims/data' });
    await until('the volume is gone', async () => (await chart.cluster.api.client.list(replicatedVolumes)).items.length === 0);
    for (const node of nodes) assert.equal(await node.sh('lvs --noheadings -o lv_name vg 2>/dev/null | grep yado; ls /etc/drbd.d/*.res 2>/dev/null; true'), '');
    const logs = await Promise.all([...['driver', 'provisioner', 'resizer'].map((name) => chart.logOf(name)), ...nodes.map((node) => node.sh('cat /run/driver.log'))]);
    for (const log of logs) assert.doesNotMatch(log, /forbidden/i);
  });
});
