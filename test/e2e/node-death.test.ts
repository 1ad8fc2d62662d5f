import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { API_VERSION } from '../../src/api/group.ts';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import { CephCluster } from '../env/ceph-cluster.ts';
import { cephPackages } from '../env/ceph-packages.ts';
import { documents, startTestCluster, words, type TestCluster } from '../env/cluster.ts';
import { shellContainer } from '../env/container-host-objects.ts';

const NAMESPACE = 'kept';
const SYSTEM = 'yadokari-system';
const MOVE_MS = 240_000;
const TAINT = 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';
/** On each node, outside of the volumes: what the writer there has tried, and how that went. */
const TOLD = '/run/told';

/** Goes on writing whatever happens, to a device and to files, and looks whether somebody else has written where only it may. */
const WRITER = `
device() {
  printf '%-4096s' "$NODE $1" | dd of=/dev/volume bs=4096 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null || return 1
  found=$(dd if=/dev/volume bs=4096 count=1 iflag=direct 2>/dev/null) || return 1
  [ "$(echo $found)" = "$NODE $1" ] || echo "overwritten $1 by $found" >> /told/$NODE.device
}
files() { echo "$NODE $1" | dd of=/files/log oflag=append conv=notrunc,fsync 2>/dev/null; }
try() { i=0; while :; do i=$((i+1)); if $1 $i; then echo "ok $i"; else echo "failed $i"; fi >> /told/$NODE.$1; sleep 0.1; done; }
try device & try files & sleep 100000`;

const claim = (name: string, storageClassName: string, volumeMode: string) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: { storageClassName, volumeMode, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } } } });
const writer = {
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'writer' },
  spec: {
    replicas: 1, strategy: { type: 'Recreate' }, selector: { matchLabels: { app: 'writer' } },
    template: {
      metadata: { labels: { app: 'writer' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        volumes: [{ name: 'device', persistentVolumeClaim: { claimName: 'device' } }, { name: 'files', persistentVolumeClaim: { claimName: 'files' } }, { name: 'told', hostPath: { path: TOLD, type: 'DirectoryOrCreate' } }],
        containers: [shellContainer(WRITER, {
          env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
          volumeDevices: [{ name: 'device', devicePath: '/dev/volume' }],
          volumeMounts: [{ name: 'files', mountPath: '/files' }, { name: 'told', mountPath: '/told' }],
        })],
      },
    },
  },
};

/** A node that is cut off, and goes on writing: what it has is taken from it before another node gets it. */
describe('a node that is lost with volumes of Ceph', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  let ceph: CephCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = MOVE_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const runsOn = (node: string) => eventually(`the writer is Ready on ${node}`, async () => {
    const found = await kubectl('get', 'pods', '-l', 'app=writer', '-o', 'jsonpath={range .items[*]}{.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}');
    return found.trim() === `${node} True`;
  });
  const told = async (node: string, kind: 'device' | 'files'): Promise<readonly string[]> => (await cluster.shell(node, `cat ${TOLD}/${node}.${kind} 2>/dev/null || true`)).split('\n').filter((line) => line !== '');
  const count = async (node: string, kind: 'device' | 'files', result: string): Promise<number> => (await told(node, kind)).filter((line) => line.startsWith(result)).length;
  const writes = (node: string, more = 5) => eventually(`${node} writes`, async () => {
    const [device, files] = [await count(node, 'device', 'ok'), await count(node, 'files', 'ok')];
    known.set(node, known.get(node) ?? [device, files]);
    const [deviceBefore = 0, filesBefore = 0] = known.get(node) ?? [];
    return device >= deviceBefore + more && files >= filesBefore + more;
  }).finally(() => known.delete(node));
  const known = new Map<string, readonly number[]>();
  /** The node's port of the network that all share. */
  const link = async (node: string, state: 'up' | 'down'): Promise<void> => {
    const index = (await cluster.shell(node, 'cat /sys/class/net/eth0/iflink')).trim();
    const name = (await run('ip', ['-o', 'link'])).split('\n').find((line) => line.startsWith(`${index}: `))?.split(/[ :@]+/)[1] ?? '';
    await run('ip', ['link', 'set', name, state]);
  };

  before(async () => {
    await ensurePackages({ progress: silentProgress, install: true, extra: cephPackages, environment: process.env });
    cluster = await startTestCluster({ name: 'death', storage: ['ceph'] });
    await cluster.namespace(NAMESPACE);
    ceph = await CephCluster.start((cluster.status.nodes[0]?.address ?? '').replace(/\d+$/, '1'));
    await ceph.pool('vms');
    await ceph.fileSystem('shared');
    const key = await ceph.user('yado', { mon: 'profile rbd, allow r, allow command "osd blocklist"', mgr: 'allow rw', osd: 'profile rbd pool=vms, allow rw tag cephfs data=shared, allow rwx tag cephfs metadata=shared', mds: 'allow rw' });
    await cluster.apply(SYSTEM, documents(
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'ceph' }, stringData: { user: 'yado', key } },
      { apiVersion: API_VERSION, kind: 'StorageBackend', metadata: { name: 'ceph' }, spec: { ceph: { monitors: ceph.monitors, pool: 'vms', filesystem: 'shared', secret: { name: 'ceph', namespace: SYSTEM } } } },
    ));
    await cluster.kubectl('wait', '--for=condition=Ready', 'storagebackend/ceph', '--timeout=120s');
    await cluster.kubectl('cordon', 'n2');
    await cluster.apply(NAMESPACE, documents(claim('device', 'ceph', 'Block'), claim('files', 'ceph-files', 'Filesystem'), writer));
    await runsOn('n1');
    await writes('n1');
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await ceph?.[Symbol.asyncDispose]();
  });

  it('is kept from them before they move, and that is told of', async () => {
    await link('n1', 'down');
    await cluster.kubectl('uncordon', 'n2');
    await cluster.kubectl('taint', 'node', 'n1', TAINT);
    await runsOn('n2');
    await writes('n2');
    const fenced = (await cluster.kubectl('get', 'pv', '-o', 'jsonpath={range .items[*]}{.metadata.annotations.yadokari\\.dev/fenced}{"\\n"}{end}')).trim().split('\n');
    assert.equal(fenced.length, 2);
    for (const text of fenced) assert.match(text, /^n1 \S+Z Ceph takes nothing more from [\d.]+:0\/\d+$/);
    assert.equal((await cluster.kubectl('get', 'events', '-A', '--field-selector', 'reason=NodeFenced', '-o', 'name')).trim().split('\n').length, 2);
  });

  it('can write nothing more when it is back, and nobody sees anything of what it tries', async () => {
    const written = { device: await count('n1', 'device', 'ok'), files: await count('n1', 'files', 'ok') };
    const failed = { device: await count('n1', 'device', 'failed'), files: await count('n1', 'files', 'failed') };
    // Told by the API the kubelet would end the writer at once.
    await cluster.inNode('n1', 'nft', 'add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out tcp dport 6443 drop');
    await link('n1', 'up');
    await eventually('its writes fail', async () => await count('n1', 'device', 'failed') > failed.device && await count('n1', 'files', 'failed') > failed.files);
    await writes('n2');
    for (const kind of ['device', 'files'] as const) {
      // Ceph may have done what was under way when the network went, and its answer comes now; nothing after that.
      const after = await told('n1', kind);
      assert.ok(after.filter((line) => line.startsWith('ok')).length <= written[kind] + 1, `${kind}: ${after.slice(-30).join(', ')}`);
      assert.match(after.at(-1) ?? '', /^failed/);
    }
    for (const node of ['n1', 'n2']) assert.equal(await count(node, 'device', 'overwritten'), 0);
    assert.equal(await count('n2', 'device', 'failed') + await count('n2', 'files', 'failed'), 0);
    const lines = (await kubectl('exec', 'deploy/writer', '--', 'cat', '/files/log')).trim().split('\n');
    const first = lines.findIndex((line) => line.startsWith('n2 '));
    assert.ok(first >= written.files, `${first} lines of n1, which was told that ${written.files} are written`);
    assert.deepEqual(lines.slice(first).filter((line) => !line.startsWith('n2 ')), []);
  });

  it('has them anew once it is in service', async () => {
    await cluster.inNode('n1', 'nft', 'delete table inet cut');
    await cluster.kubectl('taint', 'node', 'n1', `${TAINT}-`);
    await eventually('its clients are gone', async () => words(await cluster.shell('n1', 'pgrep -x "qemu-storage-.*|ceph-fuse" || true')).length === 0);
    await cluster.kubectl('cordon', 'n2');
    await kubectl('delete', 'pod', '-l', 'app=writer');
    await runsOn('n1');
    await writes('n1');
    assert.equal(await count('n1', 'device', 'overwritten'), 0);
  });
});
