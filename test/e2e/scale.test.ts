import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { leases, nodes, pods } from '../../src/kube/core.ts';
import { virtualMachines } from '../../src/kube/yadokari.ts';
import { LABEL_SIMULATED } from '../../src/simulation/hollow-nodes.ts';
import { startTestCluster, type TestCluster } from '../env/cluster.ts';
import { simulatedMachine, startSimulator, type Simulator } from '../env/simulator.ts';

const NODES = 10;
const MACHINES = 50;
const MINUTES = 60_000;

describe('fifty machines on ten simulated nodes', { timeout: 15 * MINUTES }, () => {
  const namespace = 'many';
  let cluster: TestCluster;
  let simulator: Simulator;

  before(async () => {
    cluster = await startTestCluster({ name: 'scale', nodes: 1 });
    simulator = await startSimulator({ kubeconfig: cluster.status.kubeconfig, nodes: NODES, metricsAddress: '127.0.0.1:19404' });
    await cluster.namespace(namespace);
  });

  after(async () => {
    await simulator?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const machines = async () => (await cluster.client.listAll(virtualMachines, { namespace })).items;
  const anchors = async () => (await cluster.client.listAll(pods, { namespace })).items;

  it('registers its nodes, and the scheduler takes them', async () => {
    const { items } = await cluster.client.listAll(nodes, { labelSelector: LABEL_SIMULATED });
    assert.equal(items.length, NODES);
  });

  it('all run, on simulated nodes alone, each with an address of its own', async () => {
    await Promise.all(Array.from({ length: MACHINES }, (_, index) => cluster.client.create(virtualMachines, simulatedMachine(`vm-${index}`, namespace))));
    await cluster.eventually('all machines ready', async () => (await machines()).every(({ status }) => status?.printableStatus === 'Running' && status.ready === true), 3 * MINUTES, namespace);
    const all = await machines();
    assert.ok(all.every(({ status }) => status?.node?.startsWith('sim-') === true));
    assert.equal(new Set(all.map(({ status }) => status?.address)).size, MACHINES);
    assert.equal((await anchors()).length, MACHINES);
  });

  it('run on after their nodes\' agents have begun anew', async () => {
    const started = new Map((await machines()).map(({ metadata, status }) => [metadata.name, status?.anchor]));
    await simulator[Symbol.asyncDispose]();
    simulator = await startSimulator({ kubeconfig: cluster.status.kubeconfig, nodes: NODES, metricsAddress: '127.0.0.1:19404' });
    await cluster.eventually('all machines ready', async () => (await machines()).every(({ status }) => status?.ready === true), 3 * MINUTES, namespace);
    assert.deepEqual(new Map((await machines()).map(({ metadata, status }) => [metadata.name, status?.anchor])), started);
  });

  it('are gone after their deletion, and leave nothing', async () => {
    await cluster.client.raw({ method: 'DELETE', path: `/apis/yadokari.dev/v1alpha1/namespaces/${namespace}/virtualmachines` });
    await cluster.eventually('no machine left', async () => (await machines()).length === 0, 3 * MINUTES, namespace);
    assert.deepEqual(await anchors(), []);
  });

  it('and so are the nodes, when the simulation is told to clean up', async () => {
    await simulator[Symbol.asyncDispose]();
    simulator = await startSimulator({ kubeconfig: cluster.status.kubeconfig, nodes: NODES, metricsAddress: '127.0.0.1:19404', args: ['--no-keep-nodes'] });
    await simulator[Symbol.asyncDispose]();
    const { items } = await cluster.client.listAll(nodes, { labelSelector: LABEL_SIMULATED });
    assert.deepEqual(items.map(({ metadata }) => metadata.name), []);
    const renewed = await cluster.client.listAll(leases, { namespace: 'kube-node-lease' });
    assert.deepEqual(renewed.items.map(({ metadata }) => metadata.name), ['n1']);
  });
});
