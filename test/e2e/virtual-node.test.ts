import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/base/process.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { nodes, pods, type Node, type Pod } from '../../src/kube/core.ts';
import { yadoPods } from '../../src/kube/yadokari.ts';
import { documents, object, startTestCluster, type TestCluster } from '../env/cluster.ts';
import { containerHostImages, containerHostImports, containerHostMachine, insideOf, shellContainer, SITE } from '../env/container-host-objects.ts';
import { qemuPids } from '../env/discrepancies.ts';
import { FaultGuest } from '../env/virtual-node-faults-guest.ts';

const NAMESPACE = 'inside';
const NODE = `shell.${NAMESPACE}`;
const START_MS = 120_000;

const host = (name: string, spec: object = {}) => containerHostMachine(name, { disk: '2Gi', spec: { memory: '512Mi', ...spec } });
const core = (name: string, spec: object, labels: object = {}): string => documents({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: { terminationGracePeriodSeconds: 1, ...spec } });
const inVm = (name: string, spec: object, labels: object = {}): string => core(name, { ...insideOf('shell', NAMESPACE), ...spec }, labels);

/** Containers inside of a machine, on real parts: a guest with containerd, the agent that plays its kubelet, and kubectl. */
describe('a machine that is a node', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  let folder: string;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const pod = (name: string): Promise<Pod> => cluster.client.get(pods, { namespace: NAMESPACE, name });
  const node = (): Promise<Node> => cluster.client.get(nodes, { name: NODE });
  const ready = (name: string, deadlineMs = START_MS): Promise<Pod> => cluster.eventually(`${name} is Ready`, async () => {
    const found = await pod(name);
    return conditionOf(found.status?.conditions, 'Ready')?.status === 'True' ? found : undefined;
  }, deadlineMs, NAMESPACE);
  const startOf = (of: Pod): string => `${of.status?.containerStatuses?.[0]?.containerID} ${of.status?.containerStatuses?.[0]?.restartCount}`;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-virtual-node-'));
    cluster = await startTestCluster({ name: 'virtual-node', imports: await containerHostImports() });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, documents(...containerHostImages, host('shell')));
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it('joins the cluster with what the guest has, and says so on the machine', async () => {
    await cluster.vmThat(NAMESPACE, 'shell', 'runs pods', (vm) => conditionOf(vm.status?.conditions, 'ContainerHost')?.status === 'True', START_MS);
    const { metadata, spec, status } = await node();
    assert.equal(metadata.labels?.['yadokari.dev/virtual-machine'], 'shell');
    assert.deepEqual(spec?.taints?.map(({ key, effect }) => [key, effect]), [['yadokari.dev/virtual-node', 'NoSchedule']]);
    assert.equal(status?.capacity?.['pods'], '30');
    assert.equal(status.capacity['cpu'], '1');
    const lease = await cluster.kubectl('-n', 'kube-node-lease', 'get', 'lease', NODE, '-o', 'jsonpath={.spec.renewTime}');
    assert.ok(Date.now() - Date.parse(lease) < 30_000, lease);
  });

  it('runs a Pod placed in it, with an address of its own that everybody reaches without translation', async () => {
    await cluster.apply(NAMESPACE, object('Pod', 'web', { placement: { virtualMachine: { name: 'shell' } }, terminationGracePeriodSeconds: 1, containers: [shellContainer(SITE, { readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1, timeoutSeconds: 5 } })] }));
    await cluster.apply(NAMESPACE, core('far', { nodeSelector: { 'kubernetes.io/hostname': 'n2' }, containers: [shellContainer(SITE)] }));
    const [inside, far] = await Promise.all([ready('web'), ready('far')]);
    assert.equal(inside.spec.nodeName, NODE);
    const [here, there] = [inside.status?.podIP ?? '', far.status?.podIP ?? ''];
    for (const [from, own, to] of [['web', here, there], ['far', there, here]] as const) {
      assert.equal(await kubectl('exec', from, '--', 'wget', '-q', '-O', '-', `http://${to}/cgi-bin/who`), own);
    }
    const mine = await cluster.client.get(yadoPods, { namespace: NAMESPACE, name: 'web' });
    assert.deepEqual([mine.status?.placement, mine.status?.node, mine.status?.address], ['vm/shell', NODE, here]);
  });

  it('answers kubectl: exec with input and exit code, logs, copies, forwarded ports', async () => {
    const { kubectlPath, status } = cluster;
    const ours = (...args: readonly string[]) => [kubectlPath, ['--kubeconfig', status.kubeconfig, '-n', NAMESPACE, ...args]] as const;
    assert.equal(await run(...ours('exec', '-i', 'web', '--', 'cat'), { input: 'said\n' }), 'said\n');
    await assert.rejects(run(...ours('exec', 'web', '--', 'sh', '-c', 'exit 7')), /exit code 7/);
    assert.equal(await run(...ours('exec', '-i', 'web', '--', 'cat'), { input: 'old\n', env: { ...process.env, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' } }), 'old\n');
    await cluster.apply(NAMESPACE, inVm('talker', { containers: [shellContainer('for i in 1 2 3; do echo line $i; done; sleep 1000')] }));
    await ready('talker');
    assert.equal(await kubectl('logs', 'talker'), 'line 1\nline 2\nline 3\n');
    assert.equal(await kubectl('logs', 'talker', '--tail=1'), 'line 3\n');
    const [from, back] = [join(folder, 'from'), join(folder, 'back')];
    await run('sh', ['-c', `head -c 2000000 /dev/urandom > ${from}`]);
    await run(...ours('cp', from, 'web:/tmp/copy'));
    await run(...ours('cp', 'web:/tmp/copy', back));
    assert.ok((await readFile(from)).equals(await readFile(back)));
    const forwarded = await run('sh', ['-c', `${kubectlPath} --kubeconfig ${status.kubeconfig} -n ${NAMESPACE} port-forward pod/web :80 > ${folder}/forward & pid=$!; for i in $(seq 100); do grep -q Forwarding ${folder}/forward && break; sleep 0.1; done; port=$(sed -n 's/.*127.0.0.1:\\([0-9]*\\).*/\\1/p;q' ${folder}/forward); curl -s -m 10 http://127.0.0.1:$port/; kill $pid`]);
    assert.equal(forwarded, 'web\n');
    assert.match(await cluster.kubectl('get', '--raw', `/api/v1/nodes/${NODE}/proxy/stats/summary`), /"podRef":\{"name":"web"/);
  });

  it('gives pods their configuration, tokens and names, and finds services', async () => {
    await kubectl('create', 'configmap', 'settings', '--from-literal=colour=blue');
    await kubectl('create', 'secret', 'generic', 'keys', '--from-literal=key=s3cret');
    await kubectl('expose', 'pod', 'web', '--port=80', '--name=web', '--selector=app=web');
    await kubectl('label', 'pod', 'web', 'app=web', '--overwrite');
    await cluster.apply(NAMESPACE, inVm('configured', {
      restartPolicy: 'Never',
      volumes: [{ name: 'settings', configMap: { name: 'settings' } }, { name: 'keys', secret: { secretName: 'keys' } }],
      containers: [shellContainer('cat /settings/colour /keys/key; echo " $COLOUR $NODE"; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; for i in 1 2 3 4 5; do wget -q -O - http://web/cgi-bin/who && break; sleep 1; done', {
        env: [{ name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } }, { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
        volumeMounts: [{ name: 'settings', mountPath: '/settings' }, { name: 'keys', mountPath: '/keys' }],
      })],
    }));
    await cluster.eventually('configured has ended', async () => (await pod('configured')).status?.phase === 'Succeeded', START_MS, NAMESPACE);
    const said = await kubectl('logs', 'configured');
    assert.match(said, new RegExp(`^blues3cret blue ${NODE}\\n${NAMESPACE}\\n${(await pod('configured')).status?.podIP}$`));
  });

  it('lets a guest and its own pods find each other through Services', async () => {
    const { metadata } = await cluster.vm(NAMESPACE, 'shell');
    const guest = new FaultGuest(cluster, (await node()).metadata.labels?.['yadokari.dev/host'] ?? '', metadata.uid ?? '');
    const web = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    assert.equal(await guest.shell(`timeout 20 wget -q -O - http://${web}/`), 'web');
    await guest.shell('mkdir -p /run/www && echo the guest > /run/www/index.html && httpd -p 0.0.0.0:8080 -h /run/www');
    await cluster.apply(NAMESPACE, documents({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'guest' }, spec: { selector: { 'yadokari.dev/virtual-machine': 'shell' }, ports: [{ port: 80, targetPort: 8080 }] } }));
    assert.equal(await cluster.eventually('the guest answers its pod', () => kubectl('exec', 'web', '--', 'timeout', '5', 'wget', '-q', '-O', '-', 'http://guest/').catch(() => undefined), 30_000, NAMESPACE), 'the guest\n');
    await kubectl('delete', 'service', 'guest');
  });

  it('runs the containers that a machine lists itself, in its own guest', async () => {
    await kubectl('patch', 'vm', 'shell', '--type=merge', '-p', JSON.stringify({ spec: { containers: [shellContainer('echo from $HOSTNAME; sleep 1000', { name: 'own' })] } }));
    const own = await cluster.eventually('the workload is Ready', async () => {
      const found = await pod('shell');
      return conditionOf(found.status?.conditions, 'Ready')?.status === 'True' && found;
    }, START_MS, NAMESPACE);
    assert.equal(own.spec.nodeName, NODE);
    assert.equal(await kubectl('logs', 'shell'), 'from shell\n');
    await kubectl('patch', 'vm', 'shell', '--type=json', '-p', JSON.stringify([{ op: 'remove', path: '/spec/containers' }]));
    await cluster.eventually('the workload is gone', async () => (await kubectl('get', 'pods', '-l', 'yadokari.dev/workload', '-o', 'name')) === '', START_MS, NAMESPACE);
  });

  it('makes a machine for a Pod that wants to be alone, and stops it when the Pod has ended', async () => {
    await cluster.apply(NAMESPACE, object('Pod', 'alone', { placement: { isolated: { preload: 'container-images' } }, restartPolicy: 'Never', containers: [shellContainer('echo alone in $(hostname); exit 3')] }));
    await cluster.eventually('alone has ended', async () => (await pod('alone')).status?.phase === 'Failed', START_MS * 2, NAMESPACE);
    const ended = await pod('alone');
    assert.equal(ended.spec.nodeName, `alone-vm.${NAMESPACE}`);
    assert.equal(ended.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
    await cluster.vmThat(NAMESPACE, 'alone-vm', 'is stopped', (vm) => vm.status?.printableStatus === 'Stopped', 60_000);
    await kubectl('delete', 'ypod', 'alone');
    await cluster.eventually('the machine is gone', async () => !(await kubectl('get', 'vm', '-o', 'name')).includes('alone-vm'), 60_000, NAMESPACE);
  });

  it('refuses what it cannot do, and pods of other namespaces, by name', async () => {
    await cluster.apply(NAMESPACE, inVm('hostpath', { volumes: [{ name: 'v', hostPath: { path: '/' } }], containers: [shellContainer('sleep 9')] }));
    await cluster.apply('default', inVm('stranger', { containers: [shellContainer('sleep 9')] }));
    const refusal = async (namespace: string, name: string): Promise<string> => cluster.eventually(`${name} is refused`, async () => {
      const { status } = await cluster.client.get(pods, { namespace, name });
      return status?.phase === 'Failed' && `${status.reason}: ${status.message}`;
    }, 30_000, namespace);
    assert.match(await refusal(NAMESPACE, 'hostpath'), /^UnsupportedByVirtualNode: .*hostPath is not supported/);
    assert.match(await refusal('default', 'stranger'), /^NamespaceNotAllowed: .*namespace inside/);
  });

  it('lets a Pod wait for a machine that is none, none yet, or stopped, and says for which', async () => {
    await cluster.apply(NAMESPACE, object('VirtualMachine', 'plain', { memory: '128Mi', runStrategy: 'Halted', kernelBoot: { image: 'container-host' } }) + documents(host('halted', { runStrategy: 'Halted' })));
    for (const [machine, reason] of [['absent', 'VirtualMachineNotFound'], ['plain', 'NotAContainerHost'], ['halted', 'VirtualMachineNotRunning']] as const) {
      await cluster.apply(NAMESPACE, object('Pod', `on-${machine}`, { placement: { virtualMachine: { name: machine } }, containers: [shellContainer('sleep 9')] }));
      await cluster.eventually(`on-${machine} says why`, async () => {
        const { status } = await cluster.client.get(yadoPods, { namespace: NAMESPACE, name: `on-${machine}` });
        return conditionOf(status?.conditions, 'PodScheduled')?.reason === reason;
      }, 30_000, NAMESPACE);
    }
    await kubectl('delete', 'ypod', 'on-absent', 'on-plain', 'on-halted', '--wait=false');
  });

  it('lets a Pod wait for a machine that is full, and says of what', async () => {
    const rooms = [['memory', { containers: [shellContainer('sleep 9', { resources: { requests: { memory: '8Gi' } } })] }], ['cpu', { containers: [shellContainer('sleep 9', { resources: { requests: { cpu: '8' } } })] }]] as const;
    for (const [what, spec] of rooms) {
      await cluster.apply(NAMESPACE, object('Pod', `much-${what}`, { placement: { virtualMachine: { name: 'shell' } }, ...spec }));
      await cluster.eventually(`much-${what} says why`, async () => {
        const { status } = await cluster.client.get(yadoPods, { namespace: NAMESPACE, name: `much-${what}` });
        const scheduled = conditionOf(status?.conditions, 'PodScheduled');
        return scheduled?.reason === 'Unschedulable' && scheduled.message?.includes(`Insufficient ${what}`) === true;
      }, 30_000, NAMESPACE);
    }
    // Bound past the scheduler the node itself refuses it.
    await cluster.apply(NAMESPACE, inVm('forced', { nodeName: NODE, restartPolicy: 'Never', containers: [shellContainer('sleep 9', { resources: { requests: { memory: '8Gi' } } })] }));
    const { status } = await cluster.eventually('forced is refused', async () => {
      const found = await pod('forced');
      return found.status?.phase === 'Failed' ? found : undefined;
    }, 30_000, NAMESPACE);
    assert.equal(status?.reason, 'OutOfmemory');
    await kubectl('delete', 'ypod', 'much-memory', 'much-cpu', '--wait=false');
    await kubectl('delete', 'pod', 'forced', '--wait=false');
  });

  it('keeps containers running when the agent is killed, and knows them again', async () => {
    const before_ = startOf(await pod('web'));
    const host_ = (await node()).metadata.labels?.['yadokari.dev/host'] ?? '';
    await cluster.shell(host_, 'kill -9 $(pgrep -f "yado-agent" | head -1)');
    await cluster.eventually('exec answers again', async () => (await kubectl('exec', 'web', '--', 'echo', 'here')) === 'here\n', 60_000, NAMESPACE);
    assert.equal(startOf(await pod('web')), before_);
  });

  it('starts its pods again when the guest died, with true restart counts', async () => {
    const vm = await cluster.vm(NAMESPACE, 'shell');
    const [pid = 0] = await qemuPids(vm.metadata.uid ?? '');
    process.kill(pid, 'SIGKILL');
    await cluster.eventually('the node is not Ready', async () => conditionOf((await node()).status?.conditions, 'Ready')?.status !== 'True', 30_000, NAMESPACE);
    await cluster.eventually('web runs again', async () => {
      const found = await pod('web');
      return found.status?.containerStatuses?.[0]?.restartCount === 1 && conditionOf(found.status.conditions, 'Ready')?.status === 'True';
    }, START_MS, NAMESPACE);
    assert.equal(await kubectl('exec', 'far', '--', 'wget', '-q', '-O', '-', `http://${(await pod('web')).status?.podIP}/cgi-bin/who`), (await pod('far')).status?.podIP);
  });

  it('tells its guest nothing that opens the API', async () => {
    const seen = await kubectl('exec', 'web', '--', 'sh', '-c', 'cat /proc/cmdline; ls /var/run/secrets/kubernetes.io/serviceaccount');
    assert.doesNotMatch(seen, /kubeconfig|PRIVATE KEY/);
    await assert.rejects(kubectl('auth', 'can-i', 'get', 'secrets', '-A', '--as', `system:node:${NODE}`, '--as-group', 'system:nodes'), (error: Error & { stdout?: string }) => /no/.test(error.stdout ?? error.message));
  });

  it('goes with its machine, and leaves nothing behind', async () => {
    await kubectl('delete', 'pods', '-l', '!yadokari.dev/virtual-machine', '--force', '--grace-period=0', '--wait=false');
    await cluster.deleteMachine(NAMESPACE, 'shell', 60_000);
    await cluster.eventually('the Node is gone', async () => (await cluster.kubectl('get', 'nodes', '-o', 'name')).split('\n').filter((name) => name.includes('shell')).length === 0, 30_000);
    await cluster.eventually('its blocks are free', async () => !(await cluster.kubectl('get', 'blockaffinities.crd.projectcalico.org', '-o', 'jsonpath={.items[*].spec.node}')).includes(NODE), 60_000);
    for (const name of cluster.nodes) {
      assert.equal(await cluster.inNode(name, 'ip', '-4', 'route', 'show', 'proto', '88'), '');
      assert.equal(await cluster.shell(name, 'ls /run/yadokari/guests 2>/dev/null || true'), '');
    }
  });
});
