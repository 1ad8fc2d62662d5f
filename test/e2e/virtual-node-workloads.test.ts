import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/base/process.ts';
import { conditionOf, isTrue } from '../../src/kube/conditions.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { isDeleting } from '../../src/kube/object.ts';
import { documents, startTestCluster, type TestCluster } from '../env/cluster.ts';
import { containerHostImages, containerHostImports, containerHostMachine, shellContainer, SITE } from '../env/container-host-objects.ts';
import { qemuPids } from '../env/discrepancies.ts';

const NAMESPACE = 'mixed';
const [EAST, WEST, HOST] = [`east.${NAMESPACE}`, `west.${NAMESPACE}`, 'n1'];
const START_MS = 180_000;
const REQUESTS = 30;

const machine = (name: string, node: string) => containerHostMachine(name, { disk: '2Gi', spec: { memory: '640Mi', nodeSelector: { 'kubernetes.io/hostname': node } } });
const labels = { app: 'site' };
const gone = (key: string) => ({ key: `node.kubernetes.io/${key}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 3 });
/** One replica on each of two machines and a node, as any Deployment says it. */
const deployment = {
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'site' },
  spec: {
    replicas: 3, selector: { matchLabels: labels }, strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      metadata: { labels },
      spec: {
        terminationGracePeriodSeconds: 6,
        affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [EAST, WEST, HOST] }] }] } } },
        tolerations: [{ key: 'yadokari.dev/virtual-node', operator: 'Exists' }, gone('not-ready'), gone('unreachable')],
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'DoNotSchedule', nodeTaintsPolicy: 'Honor', labelSelector: { matchLabels: labels }, matchLabelKeys: ['pod-template-hash'] }],
        containers: [shellContainer(SITE, {
          env: [{ name: 'VERSION', value: 'v1' }],
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1, timeoutSeconds: 5 },
          lifecycle: { preStop: { sleep: { seconds: 3 } } },
        })],
      },
    },
  },
};
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'site' }, spec: { selector: labels, ports: [{ port: 80 }] } };

/** Machines that are nodes beside others, under what users put on nodes. */
describe('a Deployment on machines and a node', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const pod = (name: string): Promise<Pod> => cluster.client.get(pods, { namespace: NAMESPACE, name });
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = START_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const ready = (name: string) => cluster.readyPod(NAMESPACE, name, START_MS);
  const replicas = async (): Promise<readonly Pod[]> => (await cluster.client.list(pods, { namespace: NAMESPACE, labelSelector: 'app=site' })).items;
  /** The replicas that are Ready and stay, by the node that they are on. */
  const places = async (): Promise<readonly string[]> => (await replicas()).filter((found) => !isDeleting(found) && isTrue(found.status?.conditions, 'Ready')).map(({ spec }) => spec.nodeName ?? '').sort();
  const ask = (path: string, count = 1) => kubectl('exec', 'client', '--', 'sh', '-c', `for i in $(seq ${count}); do wget -q -O - http://site${path}; done`);

  before(async () => {
    cluster = await startTestCluster({ name: 'vn-workloads', imports: await containerHostImports() });
    await cluster.namespace(NAMESPACE);
    const client = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'client' }, spec: { terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/hostname': 'n2' }, containers: [shellContainer('sleep 100000')] } };
    await cluster.apply(NAMESPACE, documents(...containerHostImages, machine('east', 'n1'), machine('west', 'n2'), client));
    for (const name of ['east', 'west']) await cluster.vmThat(NAMESPACE, name, 'runs pods', (vm) => conditionOf(vm.status?.conditions, 'ContainerHost')?.status === 'True', START_MS);
    await ready('client');
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('spreads over two machines and a node, behind one Service', async () => {
    await cluster.apply(NAMESPACE, documents(deployment, service));
    await kubectl('rollout', 'status', 'deployment/site', '--timeout=180s');
    assert.deepEqual(await places(), [EAST, HOST, WEST].sort());
    const names = (await replicas()).map(({ metadata }) => metadata.name);
    const answers = await eventually('all three have answered', async () => {
      const said = new Set((await ask('/', REQUESTS)).trim().split('\n'));
      return said.size === 3 && said;
    }, 60_000);
    assert.deepEqual([...answers].sort(), names.map((name) => `${name} v1`).sort());
    const { status } = await pod('client');
    assert.equal(await ask('/cgi-bin/who', 6), (status?.podIP ?? '').repeat(6), 'each sees who asks');
  });

  it('is updated one after the other, and answers all the while', async () => {
    const asking = run(cluster.kubectlPath, ['--kubeconfig', cluster.status.kubeconfig, '-n', NAMESPACE, 'exec', 'client', '--', 'sh', '-c', 'until [ -e /tmp/enough ]; do wget -q -O - http://site/ || echo nobody; sleep 0.2; done'], { timeoutMs: START_MS });
    await kubectl('set', 'env', 'deployment/site', 'VERSION=v2');
    await kubectl('rollout', 'status', 'deployment/site', '--timeout=180s');
    await eventually('the former ones are gone', async () => (await replicas()).length === 3);
    await kubectl('exec', 'client', '--', 'touch', '/tmp/enough');
    const said = (await asking).trim().split('\n');
    assert.deepEqual(said.filter((line) => !/^site-\S+ v[12]$/.test(line)), []);
    assert.deepEqual(await places(), [EAST, HOST, WEST].sort());
    assert.doesNotMatch(await ask('/', REQUESTS), / v1/);
  });

  it('is made whole elsewhere when a machine dies, and nothing of the dead one stays', async () => {
    const [pid = 0] = await qemuPids((await cluster.vm(NAMESPACE, 'west')).metadata.uid ?? '');
    await kubectl('patch', 'vm', 'west', '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    process.kill(pid, 'SIGKILL');
    await eventually('the Node is not Ready', async () => !isTrue((await cluster.client.get(nodes, { name: WEST })).status?.conditions, 'Ready'), 60_000);
    await eventually('three are Ready elsewhere, and no other is left', async () => {
      const now = await places();
      return now.length === 3 && !now.includes(WEST) && (await replicas()).length === 3;
    });
    assert.equal((await ask('/', REQUESTS)).trim().split('\n').length, REQUESTS);
  });

  it('may use the machine again when it is back', async () => {
    await kubectl('patch', 'vm', 'west', '--type=merge', '-p', '{"spec":{"runStrategy":"Always"}}');
    await eventually('the Node is Ready', async () => isTrue((await cluster.client.get(nodes, { name: WEST })).status?.conditions, 'Ready'));
    await kubectl('scale', 'deployment/site', '--replicas=4');
    await eventually('one is in it', async () => (await places()).includes(WEST));
    await kubectl('delete', 'deployment,service', 'site');
    await eventually('none is left', async () => (await replicas()).length === 0);
  });
});
