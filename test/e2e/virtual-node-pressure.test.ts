import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { conditionOf, isTrue } from '../../src/kube/conditions.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { documents, startTestCluster, type TestCluster } from '../env/cluster.ts';
import { containerHostImages, containerHostImports, containerHostMachine, insideOf, shellContainer } from '../env/container-host-objects.ts';

const NAMESPACE = 'pressed';
const NODE = `small.${NAMESPACE}`;
const START_MS = 180_000;
/** The node looks every ten seconds, and one goes at a time; but the disk has to be filled first. */
const EVICTED_MS = 240_000;

const machine = containerHostMachine('small', { disk: '512Mi', spec: { memory: '512Mi' } });
/** Waits until it is told to begin. */
const patient = (deed: string) => shellContainer(`until [ -e /tmp/begin ]; do sleep 0.2; done; ${deed}; sleep 100000`, { volumeMounts: [{ name: 'memory', mountPath: '/memory' }] });
const podOf = (name: string, container: object): string => documents({
  apiVersion: 'v1', kind: 'Pod', metadata: { name },
  spec: { ...insideOf('small', NAMESPACE), terminationGracePeriodSeconds: 1, volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }], containers: [container] },
});

/** A guest that really runs out of something. */
describe('a machine that is a node, short of memory and disk', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  let modest: Pod;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const pod = (name: string): Promise<Pod> => cluster.client.get(pods, { namespace: NAMESPACE, name });
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = EVICTED_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  /** What its status says of a pod that had to go. */
  const evicted = async (name: string): Promise<string> => {
    await kubectl('exec', name, '--', 'touch', '/tmp/begin');
    return eventually(`${name} is driven out`, async () => {
      const { status } = await pod(name);
      return status?.phase === 'Failed' && `${status.reason}: ${status.message}`;
    });
  };
  const conditions = async () => (await cluster.client.get(nodes, { name: NODE })).status?.conditions;
  const modestGoesOn = async (): Promise<void> => {
    assert.equal((await pod('modest')).status?.containerStatuses?.[0]?.containerID, modest.status?.containerStatuses?.[0]?.containerID);
    assert.equal(await kubectl('exec', 'modest', '--', 'echo', 'here'), 'here\n');
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'vn-pressure', nodes: 1, imports: await containerHostImports() });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, documents(...containerHostImages, machine));
    await cluster.vmThat(NAMESPACE, 'small', 'runs pods', (vm) => conditionOf(vm.status?.conditions, 'ContainerHost')?.status === 'True', START_MS);
    await cluster.apply(NAMESPACE, [
      podOf('modest', shellContainer('sleep 100000')),
      podOf('hoarder', patient("kib=$(sed -n 's/^MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo); head -c $((kib * 1024 - 30000000)) /dev/zero > /memory/hoard")),
      podOf('scribbler', patient('head -c 470000000 /dev/zero > /scribbled')),
    ].join(''));
    modest = await cluster.readyPod(NAMESPACE, 'modest', START_MS);
    for (const name of ['hoarder', 'scribbler']) await cluster.readyPod(NAMESPACE, name, START_MS);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('drives out who takes the memory, in the words of a kubelet, and nobody else', async () => {
    assert.match(await evicted('hoarder'), /^Evicted: The node was low on resource: memory\. Threshold quantity: 50Mi, available: \d+Ki\. Container c was using \d+Ki, request is 0, has larger consumption of memory\. $/);
    assert.ok(isTrue(await conditions(), 'MemoryPressure'));
    assert.match(await kubectl('get', 'events', '--field-selector', 'reason=Evicted', '-o', 'jsonpath={.items[*].regarding.name} {.items[*].involvedObject.name}'), /hoarder/);
    await modestGoesOn();
  });

  it('drives out who fills the disk', async () => {
    assert.match(await evicted('scribbler'), /^Evicted: The node was low on resource: ephemeral-storage\. Threshold quantity: \d+Ki, available: \d+Ki\. Container c was using \d+Ki, request is 0, has larger consumption of ephemeral-storage\. $/);
    assert.ok(isTrue(await conditions(), 'DiskPressure'));
    await modestGoesOn();
  });

  it('is left alone by the scheduler for a while', async () => {
    await eventually('it is tainted', async () => ((await cluster.client.get(nodes, { name: NODE })).spec?.taints ?? []).some(({ key }) => key === 'node.kubernetes.io/disk-pressure'));
    await cluster.apply(NAMESPACE, podOf('late', shellContainer('sleep 100000')));
    await eventually('nobody takes the pod', async () => /untolerated taint/.test(conditionOf((await pod('late')).status?.conditions, 'PodScheduled')?.message ?? ''));
    await modestGoesOn();
  });
});
