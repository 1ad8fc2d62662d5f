import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CommandError, run } from '../../src/base/process.ts';
import { pods } from '../../src/kube/core.ts';
import type { VirtualMachine } from '../../src/kube/yadokari.ts';
import { startTestCluster, tinyImage, tinyMachine, type TestCluster } from '../env/cluster.ts';

const NAMESPACE = 'evictions';
const readiness = { network: { ports: [{ name: 'ssh', port: 80 }] } };

/** Anchors against deletion by hand, drains and evictions. */
describe('an anchor', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const running = (name: string, more: (vm: VirtualMachine) => boolean = () => true) =>
    cluster.vmThat(NAMESPACE, name, 'is running', (vm) => vm.status?.printableStatus === 'Running' && vm.status.guest?.agentConnected === true && more(vm), 60_000);
  const refused = async (call: Promise<string>): Promise<string> => {
    try {
      await call;
    } catch (error) {
      if (error instanceof CommandError) return error.stderr;
      throw error;
    }
    throw new Error('this was accepted');
  };
  const evict = (pod: string, ...more: readonly string[]) => {
    const body = JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace: NAMESPACE } });
    return run(cluster.kubectlPath, ['--kubeconfig', cluster.status.kubeconfig, 'create', '--raw', `/api/v1/namespaces/${NAMESPACE}/pods/${pod}/eviction`, '-f', '-', ...more], { input: body });
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'evict' });
    await cluster.namespace(NAMESPACE);
    const on = (node: string) => ({ affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] } }] } } });
    await cluster.apply(NAMESPACE, tinyImage
      + tinyMachine('mover', { ...readiness, ...on('n1') })
      + tinyMachine('pinned', { ...on('n1'), disks: [{ name: 'data', blank: {}, size: '16Mi' }] })
      + tinyMachine('stayer', { ...on('n2'), evictionStrategy: 'Block' }));
    await Promise.all(['mover', 'pinned', 'stayer'].map((name) => running(name)));
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it('is not deleted by hand, and says what to type instead', async () => {
    const { status } = await cluster.vm(NAMESPACE, 'mover');
    const said = await refused(kubectl('delete', 'pod', status?.anchor ?? '', '--wait=false'));
    assert.match(said, /anchor of a running virtual machine; restart it with kubectl yado restart mover -n evictions, stop it with kubectl yado stop mover -n evictions, or delete it with kubectl delete vm mover -n evictions/);
    const forced = await refused(kubectl('delete', 'pod', status?.anchor ?? '', '--force', '--grace-period=0', '--wait=false'));
    assert.match(forced, /anchor of a running virtual machine/);
    assert.equal((await cluster.client.get(pods, { namespace: NAMESPACE, name: status?.anchor ?? '' })).metadata.deletionTimestamp, undefined);
  });

  it('of a machine with evictionStrategy Block is not evicted: 429, with the reason in the name of the budget', async () => {
    const { status } = await cluster.vm(NAMESPACE, 'stayer');
    const said = await refused(evict(status?.anchor ?? ''));
    assert.match(said, /Cannot evict pod as it would violate the pod's disruption budget/);
    const drain = await refused(cluster.kubectl('drain', 'n2', '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=4s', `--pod-selector=yadokari.dev/virtual-machine`));
    assert.match(drain, /TooManyRequests|disruption budget/i);
    await cluster.kubectl('uncordon', 'n2');
    assert.equal((await cluster.vm(NAMESPACE, 'stayer')).status?.guest?.startedAt, status?.guest?.startedAt);
    assert.equal((await kubectl('get', 'pdb', '-o', 'name')).trim(), 'poddisruptionbudget.policy/evictionstrategy-block-stayer');
  });

  it('is drained: the guest shuts down cleanly and starts on another node with its address, or waits where its disks are', async () => {
    const before = (await cluster.vm(NAMESPACE, 'mover')).status;
    await cluster.kubectl('drain', 'n1', '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=60s', '--pod-selector=yadokari.dev/virtual-machine');
    const moved = await running('mover', ({ status }) => status?.node === 'n2');
    assert.deepEqual([moved.status?.address, moved.status?.guest?.macAddress], [before?.address, before?.guest?.macAddress]);
    const waiting = await cluster.vmThat(NAMESPACE, 'pinned', 'waits for its node', ({ status }) => status?.printableStatus === 'ErrorUnschedulable', 30_000);
    assert.equal(waiting.status?.home, 'n1');
    // It ended because it was asked to, not because it was killed.
    const said = await kubectl('get', 'events', '-o', 'custom-columns=R:.reason,M:.message', '--no-headers');
    assert.doesNotMatch(said, /GuestCrashed/);
    await cluster.kubectl('uncordon', 'n1');
    await running('pinned', ({ status }) => status?.node === 'n1');
  });

  it('loses its budget with the strategy, and can then be evicted', async () => {
    const first = (await cluster.vm(NAMESPACE, 'stayer')).status;
    await kubectl('patch', 'vm', 'stayer', '--type=merge', '-p', '{"spec":{"evictionStrategy":"Restart"}}');
    await cluster.eventually('the budget is gone', async () => (await kubectl('get', 'pdb', '-o', 'name')).trim() === '', 10_000, NAMESPACE);
    await evict(first?.anchor ?? '');
    await running('stayer', ({ status }) => status?.anchor !== first?.anchor);
  });

  it('leaves nothing when its machine is deleted', async () => {
    await kubectl('delete', 'vm', '--all', '--timeout=60s');
    assert.equal(await kubectl('get', 'pods,pdb', '-o', 'name'), '');
  });
});
