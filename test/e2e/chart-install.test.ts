import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { kinds } from '../../src/api/kinds.ts';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { isNotFound } from '../../src/kube/api-error.ts';
import { storageBackends, virtualMachines, yadoPods, type VirtualMachine, type YadoPod } from '../../src/kube/yadokari.ts';
import { ensureReleaseImages } from '../../src/local/images/release/release-images.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { incompatibilities, type ComparedDefinition } from '../../src/schema/compatibility.ts';
import { toCustomResourceDefinition } from '../../src/schema/kind.ts';
import { previousRelease, projectVersion, releaseArchive, releasedDefinitions } from '../../tools/releases.ts';
import { documents, object, startTestCluster, tinyImage, tinyMachine, type TestCluster } from '../env/cluster.ts';
import { shellContainer } from '../env/container-host-objects.ts';
import { qemuPids } from '../env/discrepancies.ts';
import { ChartFaults } from '../env/chart-faults.ts';
import { randomOf, tableOf } from '../env/faults.ts';
import { GuestStream, pageText, withStream } from '../env/guest-stream.ts';
import { chartFolder, Helm } from '../env/helm.ts';
import { sidecarImages, snapshotDefinitions } from '../env/sidecar-images.ts';

const NAMESPACE = 'default';
const root = join(import.meta.dirname, '../..');
/** The objects of the hello example. */
const example = async (): Promise<readonly VirtualMachine[]> => parseAllDocuments(await readFile(join(root, 'deploy/examples/hello.yaml'), 'utf8')).map((document) => document.toJS() as VirtualMachine);

interface Definition {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: ComparedDefinition;
}

/** The product as a user installs it: by the chart, on a cluster whose pods are another CNI's. */
describe('the chart on a cluster with a foreign CNI', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  let helm: Helm;
  let stream: GuestStream;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const hello = (): Promise<VirtualMachine> => cluster.vm(NAMESPACE, 'hello');
  /** The guest is the same process with the same start, and its open connection has not noticed. */
  const untouched = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    const vm = await hello();
    const before = await qemuPids(vm.metadata.uid ?? '');
    assert.equal(before.length, 1);
    const seen = stream.lines;
    await act();
    await cluster.eventually(`${what}: the stream goes on`, async () => stream.open && stream.lines > seen + 5, 10_000, NAMESPACE);
    assert.deepEqual(await qemuPids(vm.metadata.uid ?? ''), before, `${what}: QEMU`);
    const now = await cluster.vmThat(NAMESPACE, 'hello', `is ready after ${what}`, ({ status }) => status?.ready === true, 60_000);
    assert.deepEqual([now.status?.guest?.startedAt, now.status?.address], [vm.status?.guest?.startedAt, vm.status?.address]);
    await vmStillWorks();
  };
  /** New work passes through all parts. */
  const vmStillWorks = async (): Promise<void> => {
    const { metadata: { generation = 0 } } = await cluster.client.patch(virtualMachines, { name: 'hello', namespace: NAMESPACE }, { spec: { terminationGracePeriodSeconds: 10 + Math.floor(performance.now() % 1000) } });
    await cluster.vmThat(NAMESPACE, 'hello', 'is observed', ({ status }) => (status?.observedGeneration ?? 0) >= generation, 60_000);
  };

  before(async () => {
    helm = await Helm.ready();
    const { csi, nfs } = await ensureReleaseImages({ cache: defaultCacheRoot, root, environment: process.env, progress: silentProgress, only: ['csi', 'nfs'] });
    cluster = await startTestCluster({ name: 'chart', chart: true, images: [csi.archive, nfs.archive, await sidecarImages()] });
    helm = helm.with(cluster.status.kubeconfig);
  });
  after(async () => {
    stream?.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  it('has its operator and agents ready, and nothing of ours runs beside it', async () => {
    await cluster.eventually('all are ready', async () => {
      const found = await cluster.kubectl('-n', 'yadokari-system', 'get', 'deploy,ds', '-o', 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.status.readyReplicas}{.status.numberReady}{"\\n"}{end}');
      assert.deepEqual(found.trim().split('\n'), ['Deployment yadokari-operator 2', 'DaemonSet yadokari-agent 2']);
      return true;
    });
    assert.deepEqual([...cluster.status.components, ...cluster.status.nodes.flatMap(({ components }) => components)].filter(({ name }) => /operator|agent|bird/.test(name)), []);
  });

  it('runs the hello example unchanged, on two nodes, and each sees the real address of the other', async () => {
    const placed = (await example()).map((object) => (object.kind === 'VirtualMachineImage' ? object : {
      ...object,
      spec: { ...object.spec, nodeSelector: { 'kubernetes.io/hostname': object.kind === 'Pod' ? 'n2' : 'n1' }, ...(object.kind === 'VirtualMachine' ? { cloudInit: { userData: withStream(object.spec.cloudInit?.userData ?? '') } } : {}) },
    }));
    await cluster.apply(NAMESPACE, placed.map((object) => JSON.stringify(object)).join('\n---\n'));
    await kubectl('wait', '--for=condition=Ready', 'vm/hello', 'ypod/hello-pod', '--timeout=90s');
    const [vm, pod] = [(await hello()).status?.address ?? '', (await cluster.client.get(yadoPods, { name: 'hello-pod', namespace: NAMESPACE })).status?.address ?? ''];
    assert.match(vm, /^10\.\d+\.1\.\d+$/);
    assert.match(pod, /^10\.\d+\.2\.\d+$/);
    assert.equal(await pageText(vm, `/cgi-bin/fetch?${pod}`), `Hello from container hello-pod. You are ${vm}.\n`);
    assert.equal(await pageText(pod, `/cgi-bin/fetch?${vm}`), `Hello from virtual machine hello. You are ${pod}.\n`);
    assert.equal(await kubectl('get', 'pod', (await hello()).status?.anchor ?? '', '-o', 'jsonpath={.status.podIP}'), vm);
    stream = await GuestStream.open(vm);
  });

  it('has both behind one Service, by name and by address', async () => {
    await cluster.apply(NAMESPACE, JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'both' }, spec: { selector: { app: 'hello' }, ports: [{ port: 80 }] } }));
    const { status } = await cluster.client.get(yadoPods, { name: 'hello-pod', namespace: NAMESPACE });
    const names = new Set<string>();
    await cluster.eventually('both answer', async () => {
      names.add(/Hello from (virtual machine|container)/.exec(await pageText(status?.address ?? '', '/cgi-bin/fetch?both'))?.[1] ?? '');
      names.delete('');
      return names.size === 2;
    }, 30_000, NAMESPACE);
    // The guest uses the cluster's DNS and its services too.
    await cluster.eventually('the guest reaches the Service', async () => (await pageText((await hello()).status?.address ?? '', '/cgi-bin/fetch?both')).includes('Hello from'), 20_000, NAMESPACE);
  });

  it('passes helm test', async () => {
    const said = await helm.run('test', 'yadokari', '--timeout', '180s');
    assert.match(said, /Phase:\s+Succeeded/);
  });

  const set = (values: string) => helm.run('upgrade', 'yadokari', chartFolder, '--reuse-values', '--wait', '--timeout', '180s', '--set', values);
  it('brings volumes, and snapshots of them, to a cluster that had none', async () => {
    await assert.rejects(set('storage.local.enabled=true,storage.snapshotController.enabled=true'), /lacks the definitions of snapshots/);
    for (const name of ['volumesnapshotclasses', 'volumesnapshotcontents', 'volumesnapshots']) await cluster.kubectl('apply', '-f', join(await snapshotDefinitions(), `snapshot.storage.k8s.io_${name}.yaml`));
    await set('storage.local.enabled=true,storage.snapshotController.enabled=true');
    await cluster.apply(NAMESPACE, object('StorageBackend', 'local', { local: {} }));
    const user = (name: string, command: string, more: object = {}) => documents(
      { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: { storageClassName: 'local', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '32Mi' } }, ...more } },
      { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/hostname': 'n1' }, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: name } }], containers: [shellContainer(`${command}; sleep 100000`, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })] } },
    );
    await cluster.apply(NAMESPACE, user('first', 'echo written > /v/file && sync'));
    await cluster.readyPod(NAMESPACE, 'first', 120_000);
    await cluster.apply(NAMESPACE, documents({ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: { name: 'then' }, spec: { volumeSnapshotClassName: 'local', source: { persistentVolumeClaimName: 'first' } } }));
    await kubectl('wait', '--for=jsonpath={.status.readyToUse}=true', 'volumesnapshot/then', '--timeout=90s');
    await cluster.apply(NAMESPACE, user('second', 'true', { dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' } }));
    await cluster.readyPod(NAMESPACE, 'second', 120_000);
    assert.equal(await kubectl('exec', 'second', '--', 'cat', '/v/file'), 'written\n');
    // A volume goes on when its driver is replaced.
    await cluster.kubectl('-n', 'yadokari-system', 'rollout', 'restart', 'daemonset/yadokari-csi-local-node');
    await cluster.kubectl('-n', 'yadokari-system', 'rollout', 'status', 'daemonset/yadokari-csi-local-node', '--timeout=120s');
    await kubectl('exec', 'second', '--', 'sh', '-c', 'echo more >> /v/file');
    await kubectl('delete', 'pod/first', 'pod/second', 'pvc/first', 'pvc/second', 'volumesnapshot/then', '--timeout=120s');
    await cluster.kubectl('delete', 'storagebackend/local', '--timeout=120s');
    await set('storage.local.enabled=false,storage.snapshotController.enabled=false');
  });

  it('runs an NFS server on a node, with its volumes as they were when it is replaced', async () => {
    const [server, path] = [cluster.status.nodes[0]?.address ?? '', '/var/lib/yadokari/shared'];
    await cluster.shell('n1', `truncate -s 1G ${path}.disk && mkfs.btrfs -q ${path}.disk && mkdir -p ${path} && mount -o loop,commit=1 ${path}.disk ${path}`);
    try {
      await set(`storage.nfs.enabled=true,storage.nfs.managed.nfs.node=n1,storage.nfs.managed.nfs.server=${server},storage.nfs.managed.nfs.path=${path},storage.nfs.managed.nfs.clients={*}`);
      await cluster.apply(NAMESPACE, object('StorageBackend', 'nfs', { nfs: { managed: { server, path, clients: ['*'] } } }));
      await kubectl('wait', '--for=condition=Ready', 'storagebackend/nfs', '--timeout=60s');
      await cluster.apply(NAMESPACE, documents({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'shared' }, spec: { storageClassName: 'nfs', accessModes: ['ReadWriteMany'], resources: { requests: { storage: '32Mi' } } } }));
      await kubectl('wait', '--for=jsonpath={.status.phase}=Bound', 'pvc/shared', '--timeout=60s');
      const volume = await cluster.kubectl('get', 'pv', await kubectl('get', 'pvc/shared', '-o', 'jsonpath={.spec.volumeName}'), '-o', 'jsonpath={.spec.csi.volumeHandle}');
      const file = `nfs://${server}/${volume}/file?version=4`;
      const note = join(cluster.folder, 'note');
      await writeFile(note, 'written\n');
      await run('nfs-cp', [note, file]);
      await cluster.kubectl('-n', 'yadokari-system', 'rollout', 'restart', 'deployment/yadokari-csi-nfs');
      await cluster.kubectl('-n', 'yadokari-system', 'rollout', 'status', 'deployment/yadokari-csi-nfs', '--timeout=120s');
      await cluster.eventually('what was written is served again', async () => (await run('nfs-cat', [file], { timeoutMs: 10_000 })) === 'written\n', 90_000);
      await kubectl('delete', 'pvc/shared', '--timeout=60s');
      await cluster.kubectl('delete', 'storagebackend/nfs', '--timeout=60s');
      await set('storage.nfs.enabled=false');
    } finally {
      await cluster.shell('n1', `umount --recursive --lazy ${path}`);
    }
  });

  it('runs the driver of replicated volumes on the nodes that are to have some, which say what they lack for it', async () => {
    await cluster.kubectl('label', 'node/n1', 'disks=yes');
    await set('storage.drbd.enabled=true,storage.drbd.nodeSelector.disks=yes');
    await cluster.apply(NAMESPACE, object('StorageBackend', 'drbd', { drbd: { volumeGroup: 'none-of-this-name' } }));
    await kubectl('wait', '--for=jsonpath={.status.places}', 'storagebackend/drbd', '--timeout=90s');
    const { places = [] } = (await cluster.client.get(storageBackends, { name: 'drbd' })).status ?? {};
    assert.deepEqual(places.map(({ node }) => node), ['n1']);
    assert.match(places[0]?.lacking ?? '', /has no DRBD: load the module drbd|no volume group none-of-this-name/);
    const says = async (object: string, path: string, what: RegExp) => cluster.eventually(`${object} says ${what}`, async () => what.test(await kubectl('get', object, '-o', `jsonpath=${path}`)), 60_000, NAMESPACE);
    await says('storagebackend/drbd', '{.status.conditions[?(@.type=="Ready")].message}', /2 replicas, and 0 nodes can have one/);
    await says('csinode/n1', '{.spec.drivers[*].name}', /drbd\.csi\.yadokari\.dev/);
    await cluster.kubectl('delete', 'storagebackend/drbd', '--timeout=60s');
    await set('storage.drbd.enabled=false');
  });

  it('keeps the machine and its connections when operator and agents are killed, all at once', async () => {
    await untouched('killing all our pods', () => cluster.kubectl('-n', 'yadokari-system', 'delete', 'pods', '-l', 'app.kubernetes.io/name=yadokari', '--grace-period=0', '--force'));
  });

  const kills = Number(process.env['YADO_TEST_KILLS'] ?? 4);
  const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
  it(`keeps them under ${kills} kills by chance (YADO_TEST_SEED=${seed}), no silence longer than 5 s`, async (test) => {
    const [faults, next] = [new ChartFaults(cluster, 'hello', stream), randomOf(seed)];
    const recoveries = [];
    for (let kill = 1; kill <= kills; kill += 1) recoveries.push(await faults.kill(next, kill));
    test.diagnostic(tableOf(recoveries, 'longest silence'));
  });

  it('is spliced again when its sandbox is made anew, and gets the new address', async () => {
    stream.close();
    const before = await hello();
    await cluster.shell('n1', `for c in $(ctr -n k8s.io containers list -q); do ctr -n k8s.io containers info $c | grep -q '"io.kubernetes.pod.name": "${before.status?.anchor}"' && ctr -n k8s.io containers info $c | grep -q '"io.cri-containerd.kind": "sandbox"' && ctr -n k8s.io tasks kill -s KILL $c; done; true`);
    const after = await cluster.eventually('the guest answers where its pod is now', async () => {
      const vm = await hello();
      const podIP = await kubectl('get', 'pod', vm.status?.anchor ?? '', '-o', 'jsonpath={.status.podIP}');
      return podIP !== before.status?.address && podIP === vm.status?.address && (await pageText(podIP, '/cgi-bin/index.cgi')).includes('Hello') ? vm : undefined;
    }, 60_000, NAMESPACE);
    assert.equal(after.status?.guest?.startedAt, before.status?.guest?.startedAt);
    stream = await GuestStream.open(after.status?.address ?? '');
  });

  it('leaves guests running when it is uninstalled, and takes them over when it is installed again', async () => {
    const vm = await hello();
    const pids = await qemuPids(vm.metadata.uid ?? '');
    const seen = stream.lines;
    await helm.run('uninstall', 'yadokari', '--wait', '--timeout', '120s');
    assert.deepEqual(await qemuPids(vm.metadata.uid ?? ''), pids);
    await cluster.eventually('the stream goes on', async () => stream.open && stream.lines > seen + 5, 10_000);
    await helm.run('install', 'yadokari', chartFolder, '--wait', '--timeout', '180s', '--set', 'uninstall.virtualMachines=remove,crds.keep=false');
    await untouched('another installation', async () => {});
  });

  it('takes everything along when it is uninstalled with its machines, and leaves nothing on the nodes', async () => {
    const uid = (await hello()).metadata.uid ?? '';
    stream.close();
    // It has to be let go of while there is somebody who can.
    await cluster.apply(NAMESPACE, object('StorageBackend', 'local', { local: {} }));
    await kubectl('wait', '--for=jsonpath={.metadata.finalizers}', 'storagebackend/local', '--timeout=30s');
    await helm.run('uninstall', 'yadokari', '--wait', '--timeout', '180s');
    assert.deepEqual(await qemuPids(uid), []);
    for (const resource of [virtualMachines, yadoPods]) {
      const left = await cluster.client.listAll<VirtualMachine | YadoPod>(resource).catch((error: unknown) => {
        if (isNotFound(error)) return { items: [] };
        throw error;
      });
      assert.deepEqual(left.items, []);
    }
    await cluster.eventually('nothing is left on the nodes', async () => {
      const left = await Promise.all(cluster.nodes.map((node) => cluster.shell(node, 'virsh -q list --all --uuid; ls /var/lib/yadokari/guests 2>/dev/null; ip -o link | grep -o "yado[^:@ ]*" || true; tc qdisc show | grep -c mirred || true')));
      const lines = left.flatMap((found) => found.split('\n')).filter((line) => line !== '' && line !== '0');
      if (lines.length > 0) throw new Error(lines.join('; '));
      return true;
    }, 20_000);
    assert.equal(await cluster.kubectl('get', 'crd', '-l', 'app.kubernetes.io/part-of=yadokari', '-o', 'name'), '');
  });

  /** The cluster's definitions are those of one chart, no more and no less. */
  const definedBy = async (version: string, expected: Iterable<Definition>): Promise<void> => {
    for (const { metadata: { name }, spec } of expected) {
      const live = JSON.parse(await cluster.kubectl('get', 'crd', name, '-o', 'json')) as Definition;
      assert.equal(live.metadata.labels?.['helm.sh/chart'], `yadokari-${version}`);
      assert.deepEqual([...incompatibilities(spec, live.spec), ...incompatibilities(live.spec, spec)], [], name);
    }
  };
  const former = previousRelease();
  it(`is upgraded from release ${former} with a machine running, and rolled back to it`, async () => {
    const formerDefinitions = [...(await releasedDefinitions(former)).values()] as readonly Definition[];
    await helm.run('install', 'yadokari', releaseArchive(former), '--wait', '--timeout', '180s', '--set', `images.tag=${projectVersion()}`);
    await definedBy(former, formerDefinitions);
    const userData = (await example()).find(({ kind }) => kind === 'VirtualMachine')?.spec.cloudInit?.userData ?? '';
    await cluster.apply(NAMESPACE, tinyImage + tinyMachine('hello', { cloudInit: { userData: withStream(userData) } }));
    stream = await cluster.eventually('the guest answers', async () => {
      const { status } = await hello();
      return status?.ready === true && (await pageText(status.address ?? '', '/cgi-bin/index.cgi')).includes('Hello') && GuestStream.open(status.address ?? '');
    }, 60_000, NAMESPACE);
    await untouched('an upgrade', () => helm.run('upgrade', 'yadokari', chartFolder, '--reset-then-reuse-values', '--wait', '--timeout', '180s', '--set', 'logLevel=debug'));
    assert.match(await cluster.kubectl('-n', 'yadokari-system', 'get', 'ds', 'yadokari-agent', '-o', 'jsonpath={.spec.template.spec.containers[0].args}'), /debug/);
    await definedBy(projectVersion(), kinds.map((kind) => toCustomResourceDefinition(kind) as unknown as Definition));
    await untouched('a rollback', () => helm.run('rollback', 'yadokari', '--wait', '--timeout', '180s'));
    await definedBy(former, formerDefinitions);
  });
});
