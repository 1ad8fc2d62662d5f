import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, run } from '../../src/base/process.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { blockAffinities, ipamBlocks, ipamHandles, ipPools } from '../../src/network/calico/kinds.ts';
import { losslessCodec } from '../../src/network/calico/lossless-codec.ts';
import { allocationsOf } from '../../src/network/ipam/block.ts';
import { hostInterfaceOf } from '../../src/network/handle.ts';
import { startApiServer, type ApiServer } from '../env/api-server.ts';
import { killed, NetworkAgent, Underlay } from '../env/network-host.ts';

const binDirectory = process.env['YADO_BIN'];
const root = join(import.meta.dirname, '../..');
const prefix = `yn${(process.pid % 1000).toString(36)}`;
const network = `10.71.${process.pid % 200}`;

/** The reply of an ADD. */
interface Added {
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly interface: number }[];
}

describe('the native network on two nodes', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false, timeout: 180_000 }, () => {
  let folder: string;
  let plugin: string;
  let underlay: Underlay;
  let api: ApiServer;
  const hosts = new Map<string, { namespace: string; agent: NetworkAgent; bird: ChildProcess }>();
  const host = (name: string) => hosts.get(name) ?? assert.fail(`no host ${name}`);
  const folderOf = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-network-'));
    plugin = process.env['YADO_CNI'] ?? assert.fail('YADO_CNI names no compiled plugin');
    underlay = await Underlay.create(prefix, network);
    api = await startApiServer({
      binDirectory: binDirectory ?? '',
      address: `${network}.1`,
      manifests: ['calico-crds.yaml', 'network.yaml'].map((file) => join(root, 'deploy/manifests', file)),
      variables: { POD_CIDR: '10.199.0.0/16', HOST_ADDRESS: `${network}.2` },
    });
    for (const [index, name] of ['n1', 'n2'].entries()) {
      const nodeAddress = `${network}.${11 + index}`;
      await api.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
      const namespace = await underlay.addHost(name, 11 + index);
      const agent = await NetworkAgent.start(underlay, namespace, { kubeconfig: api.kubeconfigPath, node: name, nodeAddress, folder: folderOf(name) });
      hosts.set(name, { namespace, agent, bird: await startBird(namespace, folderOf(name)) });
    }
  });

  after(async () => {
    for (const { agent } of hosts.values()) await agent[Symbol.asyncDispose]();
    await underlay?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
    assert.equal((await run('ip', ['netns', 'list'])).includes(`${prefix}-`), false);
  });

  async function startBird(namespace: string, directory: string): Promise<ChildProcess> {
    await eventually(async () => assert.ok((await run('ls', [directory])).includes('bird.conf')));
    return underlay.spawn(namespace, ['bird', '-f', '-c', join(directory, 'bird.conf'), '-s', join(directory, 'bird.ctl'), '-P', join(directory, 'bird.pid')]);
  }

  async function cni(node: string, command: string, pod: string, container: string, netns?: string): Promise<string> {
    return underlay.run(host(node).namespace, [plugin], {
      input: JSON.stringify({ cniVersion: '1.0.0', name: 'yadokari', type: 'yado-cni', socket: join(folderOf(node), 'cni.sock') }),
      env: {
        ...process.env,
        CNI_COMMAND: command,
        CNI_CONTAINERID: container,
        CNI_NETNS: netns === undefined ? '' : `/run/netns/${netns}`,
        CNI_IFNAME: 'eth0',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_UID=u-${pod}`,
      },
    });
  }

  async function createPod(node: string, name: string, meta: Partial<Pod['metadata']> = {}): Promise<void> {
    await api.client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { ...meta, name, namespace: 'default' }, spec: { nodeName: node, containers: [{ name: 'main', image: 'none' }] } });
  }

  /** A pod with a namespace of its own and one ADD; its address. */
  async function startPod(node: string, name: string, meta: Partial<Pod['metadata']> = {}): Promise<{ readonly address: string; readonly namespace: string }> {
    await createPod(node, name, meta);
    const namespace = await underlay.addNamespace(name);
    const added = JSON.parse(await cni(node, 'ADD', name, `c-${name}`, namespace)) as Added;
    assert.deepEqual(added.interfaces[1], { name: 'eth0', mac: added.interfaces[1]?.mac, sandbox: `/run/netns/${namespace}` });
    return { address: added.ips[0]?.address.replace('/32', '') ?? '', namespace };
  }

  /** What the peer at `to` sees as the source when `from` speaks to it. */
  async function seenSource(from: string, to: { readonly namespace: string; readonly address: string }): Promise<string> {
    const listener = underlay.run(to.namespace, ['timeout', '10', 'socat', 'TCP-LISTEN:9000,reuseaddr', 'SYSTEM:echo $SOCAT_PEERADDR']);
    for (let tries = 0; ; tries++) {
      await delay(100);
      const seen = await underlay.run(from, ['timeout', '5', 'socat', '-T', '3', `TCP:${to.address}:9000`, '-']).catch(() => '');
      if (seen !== '' || tries > 30) {
        await listener.catch(() => '');
        return seen.trim();
      }
    }
  }

  const ping = (from: string, to: string): Promise<string> => underlay.run(from, ['busybox', 'ping', '-c', '1', '-W', '1', to]);

  async function held(): Promise<readonly string[]> {
    const { items } = await api.client.withCodec(losslessCodec).listAll(ipamBlocks);
    return items.flatMap((block) => allocationsOf(block.spec).map(({ address }) => address));
  }

  it('annotates its node and connects with the other over BGP', async () => {
    const node = await api.client.get(nodes, { name: 'n1' });
    assert.equal(node.metadata.annotations?.['projectcalico.org/IPv4Address'], `${network}.11/24`);
    await eventually(async () => {
      const shown = await run('birdc', ['-s', join(folderOf('n1'), 'bird.ctl'), 'show', 'protocols']);
      assert.match(shown, new RegExp(`peer_${network.replaceAll('.', '_')}_12 +BGP .*Established`));
    });
  });

  it('connects pods of one node and of both, each seeing the other\'s real address', async () => {
    const [a, b, c] = [await startPod('n1', 'a'), await startPod('n1', 'b'), await startPod('n2', 'c')];
    await eventually(() => ping(a.namespace, b.address));
    assert.equal(await seenSource(a.namespace, b), a.address);
    await eventually(() => ping(a.namespace, c.address), 20_000);
    assert.equal(await seenSource(a.namespace, c), a.address);
    assert.equal(await seenSource(c.namespace, a), c.address);
    // From the node itself.
    await eventually(() => ping(host('n2').namespace, a.address));
  });

  it('masquerades what leaves the cluster', async () => {
    const outside = await underlay.addNamespace('out');
    await run('ip', ['link', 'add', `${prefix}o`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside]);
    const gateway = host('n1').namespace;
    await run('ip', ['link', 'set', `${prefix}o`, 'netns', gateway]);
    await run('ip', ['-n', gateway, '-batch', '-'], { input: `link set ${prefix}o up\naddr add 192.0.2.1/24 dev ${prefix}o\n` });
    await run('ip', ['-n', outside, '-batch', '-'], { input: 'addr add 192.0.2.2/24 dev eth0\nlink set eth0 up\n' });
    assert.equal(await seenSource(`${prefix}-a`, { namespace: outside, address: '192.0.2.2' }), '192.0.2.1');
  });

  it('lets a BGP peer that is no node learn the way to the pods, and learns networks from it, such as those of a cloud', async () => {
    const router = await underlay.addHost('h', 2);
    const server = { namespace: await underlay.addNamespace('srv'), address: '10.198.3.7' };
    await run('ip', ['link', 'add', `${prefix}t`, 'netns', router, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', server.namespace]);
    await run('ip', ['-n', router, '-batch', '-'], { input: `link set ${prefix}t up\naddr add 10.198.3.1/24 dev ${prefix}t\n` });
    await run('ip', ['-n', server.namespace, '-batch', '-'], { input: `link set eth0 up\naddr add ${server.address}/24 dev eth0\nroute add default via 10.198.3.1\n` });
    await underlay.run(router, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
    // As a tenant shows a subnet: nobody gets an address of it, and nobody's is translated on the way there.
    await api.client.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'subnet' }, spec: { cidr: '10.198.3.0/24', disabled: true, nodeSelector: '!all()' } });
    const config = join(folder, 'router.conf');
    const neighbours = [11, 12].map((byte) => `protocol bgp n${byte} { local ${network}.2 as 64512; neighbor ${network}.${byte} as 64512; direct; connect delay time 1; connect retry time 1; ipv4 { import all; export where source = RTS_STATIC; }; }`);
    await writeFile(config, `router id ${network}.2;\nprotocol device {}\nprotocol kernel { ipv4 { export where source = RTS_BGP; }; }\nprotocol static { ipv4; route 10.198.3.0/24 blackhole; }\n${neighbours.join('\n')}\n`);
    underlay.spawn(router, ['bird', '-f', '-c', config, '-s', join(folder, 'router.ctl'), '-P', join(folder, 'router.pid')]);
    const added = JSON.parse(await cni('n1', 'ADD', 'a', 'c-a', `${prefix}-a`)) as Added;
    const pod = { namespace: `${prefix}-a`, address: added.ips[0]?.address.replace('/32', '') ?? '' };
    await eventually(() => ping(router, pod.address), 20_000);
    await eventually(() => ping(pod.namespace, server.address), 20_000);
    assert.equal(await seenSource(pod.namespace, server), pod.address);
    assert.equal(await seenSource(server.namespace, pod), server.address);
  });

  it('gives a repeated ADD the same address and leaves the interface alone', async () => {
    const index = await run('ip', ['-n', `${prefix}-a`, '-o', 'link', 'show', 'eth0']);
    const [first, second] = [await cni('n1', 'ADD', 'a', 'c-a', `${prefix}-a`), await cni('n1', 'ADD', 'a', 'c-a', `${prefix}-a`)];
    assert.equal(first, second);
    assert.equal(await run('ip', ['-n', `${prefix}-a`, '-o', 'link', 'show', 'eth0']), index);
  });

  it('honours a requested address in another node\'s block and routes it', async () => {
    const { items } = await api.client.listAll(blockAffinities);
    const block = items.find(({ spec }) => spec.node === 'n1')?.spec.cidr ?? assert.fail('n1 has no block');
    const wanted = `${block.split('.').slice(0, 3).join('.')}.${Number(block.split(/[./]/)[3]) + 60}`;
    const pod = await startPod('n2', 'borrower', { annotations: { 'cni.projectcalico.org/ipAddrs': `["${wanted}"]`, 'cni.projectcalico.org/hwAddr': '02:00:00:00:00:77' } });
    assert.equal(pod.address, wanted);
    assert.match(await run('ip', ['-n', pod.namespace, 'link', 'show', 'eth0']), /02:00:00:00:00:77/);
    await eventually(() => ping(`${prefix}-a`, wanted), 20_000);
  });

  it('serves a guest by DHCP over its tap, reaches it, and answers its anchor\'s ADD with the same address', async () => {
    await createPod('n1', 'vm-abcde', { labels: { 'yadokari.dev/virtual-machine': 'vm' } });
    const anchor = await underlay.addNamespace('anchor');
    const adding = cni('n1', 'ADD', 'vm-abcde', 'c-vm', anchor);
    const endpoint = await host('n1').agent.ensureGuest({ namespace: 'default', virtualMachine: 'vm', uid: 'uid-vm', pod: 'vm-abcde', hostname: 'vm' });
    assert.equal(endpoint.tap, hostInterfaceOf('default', 'vm-abcde'));
    assert.equal((JSON.parse(await adding) as Added).ips[0]?.address, `${endpoint.address}/32`);
    assert.doesNotMatch(await run('ip', ['-n', anchor, 'link']), /eth0/);

    const guest = await startGuest(endpoint.tap, endpoint.macAddress);
    const script = join(folder, 'udhcpc.sh');
    await writeFile(script, `#!/bin/sh\necho "$1 ip=$ip mask=$mask router=$router mtu=$mtu hostname=$hostname dns=$dns domain=$domain search=$search routes=$staticroutes server=$serverid" >> ${folder}/lease\n`);
    await chmod(script, 0o755);
    await underlay.run(guest, ['busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-t', '5', '-T', '1', '-s', script, '-O', 'mtu', '-O', 'search', '-O', 'staticroutes', '-O', 'hostname'], { timeoutMs: 20_000 });
    const lease = await run('cat', [join(folder, 'lease')]);
    assert.match(lease, new RegExp(`bound ip=${endpoint.address} mask=32 router=169\\.254\\.1\\.1 mtu=1500 hostname=vm dns=10\\.98\\.0\\.10 domain=default\\.svc\\.cluster\\.local search=default\\.svc\\.cluster\\.local svc\\.cluster\\.local cluster\\.local routes=169\\.254\\.1\\.1/32 0\\.0\\.0\\.0 0\\.0\\.0\\.0/0 169\\.254\\.1\\.1 server=169\\.254\\.1\\.1`));
    await run('ip', ['-n', guest, '-batch', '-'], {
      input: `addr add ${endpoint.address}/32 dev eth0\nroute add 169.254.1.1 dev eth0 scope link\nroute add default via 169.254.1.1\n`,
    });
    await eventually(() => ping(`${prefix}-c`, endpoint.address), 20_000);
    // The other way too: the guest finds its gateway by ARP.
    assert.equal(await seenSource(guest, { namespace: `${prefix}-c`, address: await addressOf(`${prefix}-c`) }), endpoint.address);
  });

  it('leads a floating address to its guest, which speaks to the world by it', async () => {
    const floatingAddress = '203.0.113.7';
    const request = { namespace: 'default', virtualMachine: 'vm', uid: 'uid-vm', pod: 'vm-abcde', hostname: 'vm' };
    const { agent } = host('n1');
    await assert.rejects(agent.ensureGuest({ ...request, floatingAddress }), /203\.0\.113\.7 lies in no enabled IPPool with assignmentMode: Manual/);
    await api.client.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'floating' }, spec: { cidr: '203.0.113.0/28', blockSize: 28, assignmentMode: 'Manual' } });
    const own = await eventually(() => agent.ensureGuest({ ...request, floatingAddress }));
    await assert.rejects(host('n2').agent.ensureGuest({ ...request, virtualMachine: 'thief', uid: 'uid-thief', pod: 'thief-abcde', floatingAddress }), /203\.0\.113\.7 is held by another/);
    const guest = { namespace: `${prefix}-guest`, address: floatingAddress };
    const router = `${prefix}-h`;
    await eventually(() => ping(router, floatingAddress), 20_000);
    assert.equal(await seenSource(router, guest), `${network}.2`);
    assert.equal(await seenSource(`${prefix}-c`, guest), await addressOf(`${prefix}-c`));
    await ping(host('n1').namespace, floatingAddress);
    await ping(guest.namespace, floatingAddress);
    await run('ip', ['-n', `${prefix}-out`, 'route', 'add', 'default', 'via', '192.0.2.1']);
    assert.equal(await seenSource(guest.namespace, { namespace: `${prefix}-out`, address: '192.0.2.2' }), floatingAddress);
    assert.equal(await seenSource(guest.namespace, { namespace: `${prefix}-c`, address: await addressOf(`${prefix}-c`) }), own.address);
    // As a machine does that has none any more.
    await agent.ensureGuest(request);
    await eventually(() => ping(router, floatingAddress).then(() => assert.fail('it still leads there'), () => {}));
    assert.equal(await seenSource(guest.namespace, { namespace: `${prefix}-out`, address: '192.0.2.2' }), '192.0.2.1');
  });

  it('finds everything again after the agent was killed, without interrupting traffic', async () => {
    const endpoint = await host('n1').agent.ensureGuest({ namespace: 'default', virtualMachine: 'vm', uid: 'uid-vm', pod: 'vm-abcde', hostname: 'vm' });
    const before = await run('ip', ['-n', host('n1').namespace, '-o', 'link', 'show', 'dev', endpoint.tap]);
    const pinging = underlay.run(`${prefix}-c`, ['busybox', 'ping', '-c', '30', '-i', '0.1', '-W', '1', endpoint.address]);
    await delay(300);
    await host('n1').agent.kill();
    // Asked while no agent is there: the plugin waits for it.
    const adding = cni('n1', 'ADD', 'a', 'c-a', `${prefix}-a`).catch(String);
    const agent = await NetworkAgent.start(underlay, host('n1').namespace, { kubeconfig: api.kubeconfigPath, node: 'n1', nodeAddress: `${network}.11`, folder: folderOf('n1') });
    hosts.set('n1', { ...host('n1'), agent });
    assert.deepEqual(await agent.ensureGuest({ namespace: 'default', virtualMachine: 'vm', uid: 'uid-vm', pod: 'vm-abcde', hostname: 'vm' }), endpoint);
    assert.equal(await run('ip', ['-n', host('n1').namespace, '-o', 'link', 'show', 'dev', endpoint.tap]), before);
    assert.equal((JSON.parse(await adding) as Added).ips[0]?.address, `${await addressOf(`${prefix}-a`)}/32`);
    assert.match(await pinging, /30 packets received/);
  });

  it('brings the routes back after BIRD was killed', async () => {
    const { bird, namespace } = host('n2');
    await killed(bird);
    hosts.set('n2', { ...host('n2'), bird: await startBird(namespace, folderOf('n2')) });
    await eventually(async () => {
      assert.match(await run('birdc', ['-s', join(folderOf('n2'), 'bird.ctl'), 'show', 'protocols']), /_11 +BGP .*Established/);
    }, 20_000);
    await eventually(async () => ping(`${prefix}-a`, await addressOf(`${prefix}-c`)), 20_000);
  });

  it('removes a container for good, also when its namespace is gone, and twice', async () => {
    const address = await addressOf(`${prefix}-b`);
    assert.ok((await held()).includes(address));
    await underlay.removeNamespace(`${prefix}-b`);
    await cni('n1', 'DEL', 'b', 'c-b');
    await cni('n1', 'DEL', 'b', 'c-b');
    assert.equal((await held()).includes(address), false);
    await assert.rejects(underlay.run(host('n1').namespace, ['ip', 'link', 'show', hostInterfaceOf('default', 'b')]), CommandError);
  });

  it('accepts a DEL while the API server is away and releases the address later, even after being killed', async () => {
    const address = await addressOf(`${prefix}-borrower`);
    await api.stop();
    await cni('n2', 'DEL', 'borrower', 'c-borrower');
    await host('n2').agent.kill();
    await api.restart();
    assert.ok((await held()).includes(address));
    const agent = await NetworkAgent.start(underlay, host('n2').namespace, { kubeconfig: api.kubeconfigPath, node: 'n2', nodeAddress: `${network}.12`, folder: folderOf('n2') });
    hosts.set('n2', { ...host('n2'), agent });
    await eventually(async () => assert.equal((await held()).includes(address), false), 20_000);
  });

  it('keeps the VM\'s address when its anchor and tap are gone', async () => {
    const { agent, namespace } = host('n1');
    const first = await agent.ensureGuest({ namespace: 'default', virtualMachine: 'vm', uid: 'uid-vm', pod: 'vm-abcde', hostname: 'vm' });
    await cni('n1', 'DEL', 'vm-abcde', 'c-vm');
    assert.match(await underlay.run(namespace, ['ip', 'link', 'show', first.tap]), /cali/);
    await agent.prune(['default/vm-fghij']);
    await assert.rejects(underlay.run(namespace, ['ip', 'link', 'show', first.tap]), CommandError);
    const moved = await host('n2').agent.ensureGuest({ namespace: 'default', virtualMachine: 'vm', uid: 'uid-vm', pod: 'vm-fghij', hostname: 'vm' });
    assert.equal(moved.address, first.address);
    assert.equal(moved.macAddress, first.macAddress);
    await host('n2').agent.removeGuest('default', 'vm-fghij');
  });

  it('leaves no address and no handle behind once all containers are removed', async () => {
    for (const [node, name] of [['n1', 'a'], ['n2', 'c']] as const) await cni(node, 'DEL', name, `c-${name}`, `${prefix}-${name}`);
    const handles = (await api.client.listAll(ipamHandles)).items.map(({ metadata }) => metadata.name);
    assert.deepEqual(handles, ['k8s-pod-network.vmi.default.vm']);
    assert.equal((await held()).length, 1);
    for (const { namespace } of hosts.values()) assert.doesNotMatch(await underlay.run(namespace, ['ip', 'link']), /cali/);
  });

  async function addressOf(namespace: string): Promise<string> {
    const text = await run('ip', ['-n', namespace, '-4', '-json', 'addr', 'show', 'eth0']);
    return (JSON.parse(text) as readonly { addr_info: readonly { local: string }[] }[])[0]?.addr_info[0]?.local ?? assert.fail(`${namespace} has no address`);
  }

  /** A namespace whose eth0 is the other end of the tap, frame by frame, as a guest's network card is. */
  async function startGuest(tap: string, macAddress: string): Promise<string> {
    const namespace = await underlay.addNamespace('guest');
    underlay.spawn(host('n1').namespace, [
      'socat', `TUN,tun-type=tap,tun-name=${tap},iff-no-pi`,
      `EXEC:nsenter --net=/run/netns/${namespace} socat - TUN\\,tun-type=tap\\,tun-name=eth0\\,iff-no-pi,socktype=5`,
    ]);
    await eventually(() => run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'address', macAddress, 'up']));
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    return namespace;
  }
});

async function eventually<T>(check: () => Promise<T>, timeoutMs = 10_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await delay(100);
    }
  }
}
