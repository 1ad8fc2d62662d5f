import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, run } from '../../src/base/process.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { documents, startTestCluster, words, type TestCluster } from '../env/cluster.ts';
import { containerHostImages, containerHostImports, containerHostMachine, insideOf, shellContainer, SITE } from '../env/container-host-objects.ts';
import { FaultGuest } from '../env/virtual-node-faults-guest.ts';

const NAMESPACE = 'hostile';
const HOST = 'n1';
const START_MS = 180_000;
const SILENCE = /^silence$/m;

const machine = (name: string, node: string) => containerHostMachine(name, { disk: '2Gi', spec: { memory: '640Mi', nodeSelector: { 'kubernetes.io/hostname': node } } });
const core = (name: string, spec: object): string => documents({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 1, ...spec } });
const inVm = (name: string, vm: string, spec: object): string => core(name, { ...insideOf(vm, NAMESPACE), ...spec });

/** What the one may who took over a guest that hosts containers. */
describe("root of a machine's guest", { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const pod = (name: string): Promise<Pod> => cluster.client.get(pods, { namespace: NAMESPACE, name });
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = START_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const ready = (name: string) => cluster.readyPod(NAMESPACE, name, START_MS);
  let guest: FaultGuest;
  let token: string;
  let server: string;
  /** What the API server answers to who has the token. */
  const asThief = (...args: readonly string[]): Promise<string> => run(cluster.kubectlPath, ['--server', server, '--insecure-skip-tls-verify', '--kubeconfig', '/dev/null', '--token', token, ...args])
    .catch((error: unknown) => (error instanceof CommandError ? error.stderr : Promise.reject(error)));
  /** Packets that the host did not believe. */
  const dropped = async (): Promise<number> => {
    const [names = [], values = []] = (await cluster.shell('n1', 'grep TcpExt: /proc/net/netstat')).split('\n').map(words);
    return Number(values[names.indexOf('IPReversePathFilter')]);
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'vn-guest-root', imports: await containerHostImports() });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, documents(...containerHostImages, machine('east', HOST), machine('west', 'n2')));
    await cluster.apply(NAMESPACE, core('client', { nodeSelector: { 'kubernetes.io/hostname': 'n2' }, containers: [shellContainer('sleep 100000')] }));
    for (const name of ['east', 'west']) await cluster.vmThat(NAMESPACE, name, 'runs pods', (vm) => conditionOf(vm.status?.conditions, 'ContainerHost')?.status === 'True', START_MS);
    guest = new FaultGuest(cluster, HOST, (await cluster.vm(NAMESPACE, 'east')).metadata.uid ?? '');
    server = (await kubectl('config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}')).trim();
    await cluster.namespace('others');
    await cluster.kubectl('-n', 'others', 'create', 'secret', 'generic', 'theirs', '--from-literal=key=hidden');
    await kubectl('create', 'secret', 'generic', 'unused', '--from-literal=key=hidden');
    await cluster.apply(NAMESPACE, inVm('owner', 'east', { containers: [shellContainer('sleep 100000')] }));
    await Promise.all([ready('client'), ready('owner')]);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('finds no key to the cluster but the tokens of its own pods', async () => {
    const keys = await guest.shell("find / \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o -type f -size -64k -print 2>/dev/null | xargs grep -lE 'PRIVATE KEY|client-key-data|current-context|eyJhbGciOi' 2>/dev/null; true");
    const { uid } = (await pod('owner')).metadata;
    assert.ok(keys !== '' && words(keys).every((path) => path.includes(`/pods/${uid}/volumes/`)), keys);
    token = await guest.shell(`cat $(find /var/lib/yadokari/pods/${uid}/volumes -name token | head -1)`);
    assert.match(token, /^eyJ/);
  });

  it('may do with them what the pods may, and nothing in the name of the node', async () => {
    assert.match(await asThief('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'), new RegExp(`^system:serviceaccount:${NAMESPACE}:default$`));
    const forbidden = /is forbidden|Forbidden/;
    for (const command of [['-n', 'others', 'get', 'secret', 'theirs'], ['-n', NAMESPACE, 'get', 'secret', 'unused'], ['get', 'nodes'], ['-n', NAMESPACE, 'get', 'vm'], ['-n', NAMESPACE, 'get', 'pods'], ['delete', 'node', HOST], ['get', 'certificatesigningrequests'], ['create', 'clusterrolebinding', 'mine', '--clusterrole=cluster-admin', '--user=me']]) {
      assert.match(await asThief(...command), forbidden, command.join(' '));
    }
    assert.match(await asThief('create', 'token', 'default', '-n', 'others'), forbidden);
    await kubectl('delete', 'pod', 'owner');
    await eventually('the token is worth nothing without its pod', async () => /Unauthorized|must be logged in/.test(await asThief('get', 'pods')), 60_000);
  });

  it('is not heard where it lies about its address', async () => {
    await cluster.apply(NAMESPACE, core('victim', { nodeSelector: { 'kubernetes.io/hostname': 'n1' }, containers: [shellContainer(SITE)] }));
    const [{ status: client }, { status: victim }] = await Promise.all([pod('client'), ready('victim')]);
    const page = `http://${victim?.podIP}/cgi-bin/who`;
    const truth = (await cluster.vm(NAMESPACE, 'east')).status?.address;
    for (const lie of [client?.podIP ?? '', '10.96.0.1', '192.0.2.1']) {
      const said = await eventually(`${lie} is heard or dropped`, async () => {
        // Silence says something where the way is open, and something was sent.
        assert.equal(await guest.shell(`timeout 20 wget -q -O - ${page}`), truth);
        const drops = await dropped();
        const answer = await guest.shell(`exec 2>&1; gateway=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')
ip addr add ${lie}/32 dev eth0 && ip route add ${victim?.podIP} via $gateway dev eth0 onlink src ${lie} && { timeout 5 wget -q -O - ${page} || echo silence; }
ip route del ${victim?.podIP}; ip addr del ${lie}/32 dev eth0`);
        return !SILENCE.test(answer) || (await dropped()) > drops ? answer : undefined;
      }, 60_000);
      assert.match(said, SILENCE, `as ${lie}: ${said}`);
    }
  });

  it('gets nothing from what listens on its host', async () => {
    const { addresses = [] } = (await cluster.client.get(nodes, { name: HOST })).status ?? {};
    const address = addresses.find(({ type }) => type === 'InternalIP')?.address ?? '';
    for (const [port, path] of [[10250, '/pods'], [10260, `/containerLogs/${NAMESPACE}/client/c`], [10260, '/pods']] as const) {
      // The guest has no program that speaks TLS: from its host the same ports are asked with as little in hand.
      assert.equal(await cluster.inNode(HOST, 'curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', `https://${address}:${port}${path}`), '401', `${port}${path}`);
    }
    const open = await guest.shell(`for port in 22 111 2049 2379 2380 16509 16514; do timeout 3 nc -z ${address} $port 2>/dev/null && echo $port; done; true`);
    assert.equal(open, '', 'ports that answer');
  });

  it('harms nobody but itself with what it says to its host', async () => {
    await cluster.apply(NAMESPACE, inVm('mine', 'east', { containers: [shellContainer('sleep 100000')] }) + inVm('neighbour', 'west', { containers: [shellContainer('sleep 100000')] }));
    const [mine] = await Promise.all([ready('mine'), ready('neighbour')]);
    const control = new ControlClient(clusterLayout(cluster.folder, cluster.status.name));
    const agent = async () => (await control.status()).nodes.flatMap(({ components }) => components).find(({ name }) => name === `${HOST}/agent`)?.pid;
    const before_ = await agent();
    await guest.shell(`relay=/usr/lib/yadokari/yado-relay; mv $relay $relay.away; kill -9 $(pidof yado-relay)
timeout 8 sh -c 'while :; do head -c 4000000 /dev/urandom > /dev/virtio-ports/dev.yadokari.relay.0; printf "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" > /dev/virtio-ports/dev.yadokari.relay.0; done' 2>/dev/null
mv $relay.away $relay`);
    assert.equal(await kubectl('exec', 'neighbour', '--', 'echo', 'here'), 'here\n');
    assert.equal(await agent(), before_, 'the agent is the same process');
    await eventually('the way in is open again', async () => (await kubectl('exec', 'mine', '--', 'echo', 'here')) === 'here\n', 90_000);
    const idOf = ({ status }: Pod) => status?.containerStatuses?.[0]?.containerID;
    await delay(2000);
    assert.equal(idOf(await pod('mine')), idOf(mine), 'its pod goes on');
  });
});
