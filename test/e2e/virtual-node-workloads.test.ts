import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, run } from '../../src/base/process.ts';
import { conditionOf, isTrue } from '../../src/kube/conditions.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { isDeleting } from '../../src/kube/object.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { buildContainerImages } from '../../src/local/images/container-images.ts';
import { clusterLayout, defaultCacheRoot } from '../../src/local/layout.ts';
import { object, startTestCluster, words, type TestCluster } from '../env/cluster.ts';
import { containerHostImage } from '../env/container-host.ts';
import { qemuPids } from '../env/discrepancies.ts';
import { FaultGuest } from '../env/virtual-node-faults-guest.ts';

const NAMESPACE = 'mixed';
const [EAST, WEST, HOST] = [`east.${NAMESPACE}`, `west.${NAMESPACE}`, 'n1'];
const START_MS = 180_000;
const REQUESTS = 30;

const file = (name: string) => `/var/lib/yadokari/import/${name}`;
const images = object('VirtualMachineImage', 'container-host', { format: 'tar', source: { file: { path: file('container-host.tar') } } })
  + object('VirtualMachineImage', 'container-images', { format: 'raw', source: { file: { path: file('images.tar') } } });
const machine = (name: string, node: string): string => object('VirtualMachine', name, {
  memory: '640Mi', kernelBoot: { image: 'container-host' }, containerHost: {}, nodeSelector: { 'kubernetes.io/hostname': node }, terminationGracePeriodSeconds: 3,
  disks: [{ name: 'images', image: 'container-images', readOnly: true, ephemeral: true }, { name: 'containers', blank: {}, size: '2Gi', ephemeral: true }],
});
const container = (command: string, more: object = {}) => ({ name: 'c', image: 'localhost/yadokari/hello:1', imagePullPolicy: 'Never', command: ['sh', '-c', command], ...more });
const core = (name: string, spec: object): string => `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 1, ...spec } })}\n`;
const inVm = (name: string, vm: string, spec: object): string => core(name, { tolerations: [{ key: 'yadokari.dev/virtual-node', operator: 'Exists' }], nodeSelector: { 'yadokari.dev/virtual-machine': vm, 'yadokari.dev/namespace': NAMESPACE }, ...spec });

const site = `mkdir -p /www/cgi-bin
printf '%s\\n' '#!/bin/sh' 'printf "Content-Type: text/plain\\r\\n\\r\\n$REMOTE_ADDR"' > /www/cgi-bin/who
chmod +x /www/cgi-bin/who
echo $HOSTNAME $VERSION > /www/index.html
exec httpd -f -p 0.0.0.0:80 -h /www`;
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
        containers: [container(site, {
          env: [{ name: 'VERSION', value: 'v1' }],
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1, timeoutSeconds: 5 },
          lifecycle: { preStop: { sleep: { seconds: 3 } } },
        })],
      },
    },
  },
};
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'site' }, spec: { selector: labels, ports: [{ port: 80 }] } };

/** Machines that are nodes as parts of a cluster: what users put on them, and what their guests may not. */
describe('workloads on machines and nodes', { timeout: 1_200_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const pod = (name: string): Promise<Pod> => cluster.client.get(pods, { namespace: NAMESPACE, name });
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = START_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const ready = (name: string) => eventually(`${name} is Ready`, async () => {
    const found = await pod(name);
    return isTrue(found.status?.conditions, 'Ready') && found;
  });
  const replicas = async (): Promise<readonly Pod[]> => (await cluster.client.list(pods, { namespace: NAMESPACE, labelSelector: 'app=site' })).items;
  /** The replicas that are Ready and stay, by the node that they are on. */
  const places = async (): Promise<readonly string[]> => (await replicas()).filter((found) => !isDeleting(found) && isTrue(found.status?.conditions, 'Ready')).map(({ spec }) => spec.nodeName ?? '').sort();
  const ask = (path: string, count = 1) => kubectl('exec', 'client', '--', 'sh', '-c', `for i in $(seq ${count}); do wget -q -O - http://site${path}; done`);
  const guestOf = async (name: string, node: string) => new FaultGuest(cluster, node, (await cluster.vm(NAMESPACE, name)).metadata.uid ?? '');

  before(async () => {
    const cacheFolder = join(defaultCacheRoot, 'images');
    const imports = await Promise.all([containerHostImage(cacheFolder), buildContainerImages({ cacheFolder })]);
    cluster = await startTestCluster({ name: 'vn-workloads', imports: imports.map(({ path }) => path) });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, images + machine('east', 'n1') + machine('west', 'n2'));
    await cluster.apply(NAMESPACE, core('client', { nodeSelector: { 'kubernetes.io/hostname': 'n2' }, containers: [container('sleep 100000')] }));
    for (const name of ['east', 'west']) await cluster.vmThat(NAMESPACE, name, 'runs pods', (vm) => conditionOf(vm.status?.conditions, 'ContainerHost')?.status === 'True', START_MS);
    await ready('client');
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  describe('a Deployment', () => {
    it('spreads over two machines and a node, behind one Service', async () => {
      await cluster.apply(NAMESPACE, [deployment, service].map((part) => `---\n${JSON.stringify(part)}\n`).join(''));
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

  describe("root of a machine's guest", () => {
    let guest: FaultGuest;
    let token: string;
    /** What the API server answers to who has the token. */
    const asThief = (...args: readonly string[]): Promise<string> => run(cluster.kubectlPath, ['--server', apiServer(), '--insecure-skip-tls-verify', '--kubeconfig', '/dev/null', '--token', token, ...args])
      .catch((error: unknown) => (error instanceof CommandError ? error.stderr : Promise.reject(error)));
    let server = '';
    /** Packets that the host did not believe. */
    const dropped = async (): Promise<number> => {
      const [names = [], values = []] = (await cluster.shell('n1', 'grep TcpExt: /proc/net/netstat')).split('\n').map(words);
      return Number(values[names.indexOf('IPReversePathFilter')]);
    };
    const apiServer = (): string => server;

    before(async () => {
      guest = await guestOf('east', 'n1');
      server = (await kubectl('config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}')).trim();
      await cluster.namespace('others');
      await cluster.kubectl('-n', 'others', 'create', 'secret', 'generic', 'theirs', '--from-literal=key=hidden');
      await kubectl('create', 'secret', 'generic', 'unused', '--from-literal=key=hidden');
      await cluster.apply(NAMESPACE, inVm('owner', 'east', { containers: [container('sleep 100000')] }));
      await ready('owner');
    });

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
      for (const command of [['-n', 'others', 'get', 'secret', 'theirs'], ['-n', NAMESPACE, 'get', 'secret', 'unused'], ['get', 'nodes'], ['-n', NAMESPACE, 'get', 'vm'], ['-n', NAMESPACE, 'get', 'pods'], ['delete', 'node', WEST], ['get', 'certificatesigningrequests'], ['create', 'clusterrolebinding', 'mine', '--clusterrole=cluster-admin', '--user=me']]) {
        assert.match(await asThief(...command), forbidden, command.join(' '));
      }
      assert.match(await asThief('create', 'token', 'default', '-n', 'others'), forbidden);
      await kubectl('delete', 'pod', 'owner');
      await eventually('the token is worth nothing without its pod', async () => /Unauthorized|must be logged in/.test(await asThief('get', 'pods')), 60_000);
    });

    it('is not heard where it lies about its address', async () => {
      await cluster.apply(NAMESPACE, core('victim', { nodeSelector: { 'kubernetes.io/hostname': 'n1' }, containers: [container(site)] }));
      const [{ status: client }, { status: victim }] = await Promise.all([pod('client'), ready('victim')]);
      const page = `http://${victim?.podIP}/cgi-bin/who`;
      assert.equal(await guest.shell(`timeout 20 wget -q -O - ${page}`), (await cluster.vm(NAMESPACE, 'east')).status?.address);
      let drops = await dropped();
      for (const lie of [client?.podIP ?? '', '10.96.0.1', '192.0.2.1']) {
        const said = await guest.shell(`exec 2>&1; gateway=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')
ip addr add ${lie}/32 dev eth0 && ip route add ${victim?.podIP} via $gateway dev eth0 onlink src ${lie} && { timeout 5 wget -q -O - ${page} || echo silence; }
ip route del ${victim?.podIP}; ip addr del ${lie}/32 dev eth0`);
        assert.match(said, /^silence$/m, `as ${lie}: ${said}`);
        const now = await dropped();
        assert.ok(now > drops, `what was sent as ${lie} was let through`);
        drops = now;
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
      await cluster.apply(NAMESPACE, inVm('mine', 'east', { containers: [container('sleep 100000')] }) + inVm('neighbour', 'west', { containers: [container('sleep 100000')] }));
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
});
