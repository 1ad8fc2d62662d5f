import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { conditionOf, isTrue } from '../../src/kube/conditions.ts';
import { nodes, pods } from '../../src/kube/core.ts';
import { documents, startTestCluster, type TestCluster } from '../env/cluster.ts';
import { containerHostImages, containerHostImports, containerHostMachine, insideOf, shellContainer } from '../env/container-host-objects.ts';
import { IN_SOAK, isLong } from '../env/long.ts';
import { FaultGuest } from '../env/virtual-node-faults-guest.ts';

const NAMESPACE = 'by-tls';
const START_MS = 180_000;
const NODE = `shell.${NAMESPACE}`;

const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { ...insideOf('shell', NAMESPACE), terminationGracePeriodSeconds: 1, containers: [shellContainer('sleep 100000')] } });

/** A guest that has no channel to its host. */
describe('a machine that is a node over the network', { timeout: 600_000 }, () => {
  let cluster: TestCluster;
  let guest: FaultGuest;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = START_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const idOf = async () => (await cluster.client.get(pods, { namespace: NAMESPACE, name: 'one' })).status?.containerStatuses?.[0]?.containerID;
  const ready = (name: string) => eventually(`${name} is Ready`, async () => isTrue((await cluster.client.get(pods, { namespace: NAMESPACE, name })).status?.conditions, 'Ready'));

  before(async () => {
    cluster = await startTestCluster({ name: 'vn-tls', nodes: 1, imports: await containerHostImports() });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, documents(...containerHostImages, containerHostMachine('shell', { disk: '2Gi', spec: { memory: '512Mi', containerHost: { transport: 'TLS' } } })));
    guest = new FaultGuest(cluster, 'n1', (await cluster.vm(NAMESPACE, 'shell')).metadata.uid ?? '');
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('joins the cluster, and says how it is reached', async () => {
    const machine = await cluster.vmThat(NAMESPACE, 'shell', 'runs pods', (vm) => conditionOf(vm.status?.conditions, 'ContainerHost')?.status === 'True', START_MS);
    assert.equal(conditionOf(machine.status?.conditions, 'ContainerHost')?.message, `pods run here; the Node is ${NODE}, reached by TLS`);
    assert.equal(conditionOf((await cluster.client.get(nodes, { name: NODE })).status?.conditions, 'Ready')?.message, 'the guest runs pods, and is reached by tls');
    // The way in does not wait for the guest's own agent, by which the test looks inside.
    await cluster.vmThat(NAMESPACE, 'shell', 'has an agent', ({ status }) => status?.guest?.agentConnected === true, 60_000);
    assert.equal(await guest.shell('ls /dev/virtio-ports; ls /run/seed | grep relay-'), 'org.qemu.guest_agent.0\nrelay-cert.pem\nrelay-client-ca.pem\nrelay-key.pem');
  });

  it('runs pods, and answers kubectl', async () => {
    await cluster.apply(NAMESPACE, documents(pod('one')));
    await ready('one');
    assert.equal(await kubectl('exec', 'one', '--', 'echo', 'here'), 'here\n');
  });

  it('lets nobody in who has no key of this machine', async () => {
    const address = (await cluster.vm(NAMESPACE, 'shell')).status?.address ?? '';
    const said = await cluster.shell('n1', `curl -sk --max-time 5 https://${address}:10350/v1/info 2>&1; echo exit $?`);
    assert.doesNotMatch(said, /bootId/);
    // It is connected to, and then turned away.
    assert.doesNotMatch(said, /exit (0|7|28)$/m);
  });

  it('is reached again after the relay and the agent have died', async () => {
    const before_ = await idOf();
    await guest.kill('yado-relay');
    await eventually('exec answers again', async () => (await kubectl('exec', 'one', '--', 'echo', 'here')) === 'here\n', 60_000);
    await cluster.shell('n1', 'kill -9 $(pgrep -f "yado-agent" | head -1)');
    await cluster.apply(NAMESPACE, documents(pod('two')));
    await ready('two');
    assert.equal(await idOf(), before_);
  });

  it('is reached again after the guest has died', { skip: isLong ? false : IN_SOAK }, async () => {
    const before_ = await idOf();
    await guest.shell('echo b > /proc/sysrq-trigger').catch(() => {});
    await eventually('its pods run again', async () => (await idOf()) !== before_ && ready('one'));
    assert.equal(await kubectl('exec', 'one', '--', 'echo', 'again'), 'again\n');
  });
});
