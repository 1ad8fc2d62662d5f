import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { replug } from '../../src/agent/guest-link.ts';
import { systemClock } from '../../src/base/clock.ts';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { buildContainerImages } from '../../src/local/images/container-images.ts';
import { buildGuestImage } from '../../src/local/images/guest-image.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { namesOf } from '../../src/network/drivers/spliced/names.ts';
import type { GuestEndpoint, GuestEndpointRequest } from '../../src/network/port.ts';
import { FolderDiskStore } from '../../src/vm/disks/store.ts';
import { LibvirtHypervisor } from '../../src/vm/drivers/libvirt/hypervisor.ts';
import { Underlay } from '../env/network-host.ts';
import { eventually, SplicedAgent, SplicedHost } from '../env/spliced-host.ts';

const binDirectory = process.env['YADO_BIN'];
const cacheFolder = join(tmpdir(), 'yado-test-images');
const prefix = `ys${(process.pid % 1000).toString(36)}`;
const network = `10.72.${process.pid % 200}`;
const pods = `10.188.${process.pid % 200}`;
const MTU = 1400;
const id = randomUUID();
const names = namesOf('default', 'vm-abcde');
const request: GuestEndpointRequest = { namespace: 'default', virtualMachine: 'vm', uid: id, pod: 'vm-abcde', podUid: 'uid-vm-abcde', hostname: 'vm' };

/** Serves a file and takes one, and has its DHCP client ask anew when the cable was out, as clients of bigger systems do by themselves. */
const userData = `#!/bin/sh
mkdir -p /www/cgi-bin
dd if=/dev/urandom of=/www/big bs=64k count=48 2>/dev/null
md5sum < /www/big > /www/big.md5
cat > /www/cgi-bin/sum <<'X'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
head -c "$CONTENT_LENGTH" | md5sum
X
cat > /www/cgi-bin/facts <<'X'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cat /sys/class/net/eth0/mtu /sys/class/net/eth0/address
ip -4 addr show dev eth0; ip route; cat /etc/resolv.conf; cat /run/starts
X
chmod 755 /www/cgi-bin/*
cat /proc/sys/kernel/random/boot_id > /run/starts
httpd -h /www
(was=1; while :; do
  now=$(cat /sys/class/net/eth0/carrier)
  [ "$was$now" = 01 ] && { killall -USR2 udhcpc; sleep 1; killall -USR1 udhcpc; }
  was=$now; usleep 200000
done) &
`;

describe('guests spliced to the pods of another CNI', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with the toolchain' : false, timeout: 300_000 }, () => {
  let folder: string;
  let underlay: Underlay;
  let host: SplicedHost;
  let far: string;
  let agent: SplicedAgent;
  let hypervisor: LibvirtHypervisor;
  let sandbox: string;
  let neighbour: string;
  let endpoint: GuestEndpoint;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-spliced-'));
    const [images, guestImage] = [await buildContainerImages({ cacheFolder }), await buildGuestImage({ cacheFolder })];
    await mkdir(join(folder, 'tiny'));
    await run('tar', ['-xf', guestImage.path, '-C', join(folder, 'tiny')]);
    const building = { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress };
    const plugins = [join(binDirectory ?? '', 'loopback'), await ensureExtraProgram('bridge', building), await ensureExtraProgram('host-local', building)];
    underlay = await Underlay.create(prefix, network);
    const namespace = await underlay.addHost('n1', 11);
    far = await underlay.addHost('far', 12);
    await underlay.run(far, ['ip', 'route', 'add', `${pods}.0/24`, 'via', `${network}.11`]);
    host = await SplicedHost.start({
      folder: join(folder, 'n1'), underlay, namespace, cgroup: `yadokari-${prefix}`, images: images.path, plugins,
      cni: { type: 'bridge', bridge: 'cni0', isGateway: true, isDefaultGateway: true, mtu: MTU, ipam: { type: 'host-local', ranges: [[{ subnet: `${pods}.0/24` }]] } },
    });
    agent = await SplicedAgent.start(host);
    hypervisor = new LibvirtHypervisor({ socketPath: host.libvirtSocket, acceleration: () => Promise.resolve('tcg') });
    neighbour = await host.runSandbox('neighbour');
  }, { timeout: 120_000 });

  after(async () => {
    await hypervisor?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
    await underlay?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  const fromNode = (command: readonly string[]): Promise<string> => host.run(command);
  const fromNeighbour = (command: readonly string[]): Promise<string> => host.inSandbox(neighbour, command);
  const fromFar = (command: readonly string[]): Promise<string> => underlay.run(far, command);
  const everywhere = { node: fromNode, neighbour: fromNeighbour, 'a host beyond the node': fromFar };
  const url = (path: string): string => `http://${endpoint.address}/${path}`;
  const get = (from: typeof fromNode, path: string): Promise<string> => from(['curl', '-sf', '-m', '5', url(path)]);
  const interfaces = async (): Promise<string> => (await host.run(['ip', '-o', 'link'])).split('\n').filter((line) => line.includes(': yado')).map((line) => line.split('@')[0]).join(' ');
  const facts = (): Promise<string> => get(fromNode, 'cgi-bin/facts');

  it('waits for the sandbox, and takes what the CNI gave it', async () => {
    await assert.rejects(agent.ensureGuest(request), /waiting for the network of pod default\/vm-abcde/);
    const pending = agent.ensureGuest(request);
    const asked = Date.now();
    sandbox = await host.runSandbox('vm-abcde');
    const ran = Date.now();
    endpoint = await pending;
    console.log(`# sandbox after ${ran - asked} ms, splice ${Date.now() - ran} ms later`);
    const shown = await host.inSandbox(sandbox, ['ip', 'addr', 'show', 'dev', 'eth0']);
    assert.ok(shown.includes(`inet ${endpoint.address}/24`) && shown.includes(endpoint.macAddress), shown);
    assert.deepEqual(endpoint, { ...endpoint, tap: names.tap, mtu: MTU });
  });

  it('leaves nobody to answer for the guest but the guest', async () => {
    await assert.rejects(fromNode(['busybox', 'ping', '-c', '1', '-W', '1', endpoint.address]));
    await assert.rejects(fromNeighbour(['busybox', 'ping', '-c', '1', '-W', '1', endpoint.address]));
  });

  it('gives the guest the pod\'s address, network and names by DHCP', async () => {
    const files = join(folder, 'tiny');
    const disks = new FolderDiskStore(join(folder, 'guests'));
    const seed = await disks.ensureSeed('vm', { instanceId: id, hostname: 'vm', userData, sshKeys: [] });
    await eventually(() => hypervisor.list());
    await hypervisor.start({
      id, name: 'default.vm', hostname: 'vm', cpu: { sockets: 1, cores: 1, threads: 1 }, memoryMiB: 128,
      boot: { kind: 'kernel', kernelPath: join(files, 'vmlinuz'), initrdPath: join(files, 'initrd.img'), commandLine: (await readFile(join(files, 'cmdline'), 'utf8')).trim() },
      disks: [seed], interfaces: [{ tap: endpoint.tap, macAddress: endpoint.macAddress, mtu: endpoint.mtu }], consoleLogPath: await disks.consoleLogPath('vm'),
    });
    const told = await eventually(facts, 60_000);
    for (const part of [`${MTU}\n${endpoint.macAddress}\n`, `inet ${endpoint.address}/24`, `default via ${pods}.1 dev eth0`, 'nameserver 10.98.0.10', 'search default.svc.cluster.local svc.cluster.local cluster.local']) {
      assert.ok(told.includes(part), `${JSON.stringify(part)} is missing in ${told}`);
    }
  });

  for (const [where, from] of Object.entries(everywhere)) {
    it(`carries megabytes to and from ${where}, and packets as large as the MTU`, async () => {
      const sum = await eventually(() => get(from, 'big.md5'));
      assert.equal(await from(['sh', '-c', `curl -sf -m 30 ${url('big')} | md5sum`]), sum);
      const sent = await from(['sh', '-c', `head -c 2000000 /dev/urandom > /tmp/${prefix}-up; md5sum < /tmp/${prefix}-up; curl -sf -m 30 -H 'Expect:' --data-binary @/tmp/${prefix}-up ${url('cgi-bin/sum')}; rm /tmp/${prefix}-up`]);
      const [before, arrived] = sent.trim().split('\n');
      assert.equal(arrived, before);
      await from(['busybox', 'ping', '-s', String(MTU - 28), '-c', '1', '-W', '2', endpoint.address]);
    });
  }

  it('goes on without the agent, and one that is started anew changes nothing', async () => {
    const before = await interfaces();
    const { macAddress } = endpoint;
    await agent.kill();
    await get(fromNeighbour, 'big.md5');
    agent = await SplicedAgent.start(host);
    assert.deepEqual(await agent.ensureGuest(request), endpoint);
    assert.equal(await interfaces(), before);
    // The cable makes the guest ask: its answers are found again too.
    await replug(hypervisor, id, macAddress, systemClock, AbortSignal.timeout(10_000));
    await eventually(() => get(fromNeighbour, 'big.md5'));
  });

  it('follows its anchor into a sandbox that was made anew, and learns the new address', async () => {
    const former = endpoint;
    const boot = (await facts()).trim().split('\n').at(-1);
    await host.removeSandbox(sandbox);
    sandbox = await host.runSandbox('vm-abcde', 1);
    const ran = Date.now();
    await eventually(async () => assert.ok(agent.moved.includes('default/vm-abcde')));
    endpoint = await agent.ensureGuest(request);
    const spliced = Date.now();
    assert.notEqual(endpoint.address, former.address);
    assert.deepEqual(endpoint, { ...former, address: endpoint.address });
    await replug(hypervisor, id, endpoint.macAddress, systemClock, AbortSignal.timeout(10_000));
    const told = await eventually(facts);
    console.log(`# spliced ${spliced - ran} ms after the new sandbox, reached ${Date.now() - ran} ms after it`);
    assert.equal(told.trim().split('\n').at(-1), boot);
    assert.ok(told.includes(`inet ${endpoint.address}/24`) && !told.includes(former.address), told);
    await get(fromNeighbour, 'big.md5');
  });

  it('is finished where it was left when the agent was killed in the midst of it', async () => {
    await host.run(['ip', 'link', 'del', names.link]);
    const pending = agent.ensureGuest(request);
    pending.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 15));
    await agent.kill();
    agent = await SplicedAgent.start(host);
    assert.deepEqual(await agent.ensureGuest(request), endpoint);
    await eventually(() => get(fromNeighbour, 'big.md5'));
  });

  it('gives a guest the MAC address that was asked for, but no address that the CNI did not give', async () => {
    const other = { ...request, virtualMachine: 'other', pod: 'other-abcde', podUid: 'uid-other-abcde', hostname: 'other', macAddress: '02:00:00:00:AB:CD' };
    const id = await host.runSandbox('other-abcde');
    await assert.rejects(agent.ensureGuest({ ...other, address: '10.9.9.9' }), /gave the pod 10\.188\.\d+\.\d+, not 10\.9\.9\.9/);
    assert.equal((await agent.ensureGuest(other)).macAddress, '02:00:00:00:ab:cd');
    assert.match(await host.inSandbox(id, ['ip', 'link', 'show', 'dev', 'eth0']), /02:00:00:00:ab:cd/);
    await agent.prune(['default/vm-abcde']);
    assert.equal((await interfaces()).includes(namesOf('default', 'other-abcde').tap), false);
  });

  it('stands while the runtime is away', async () => {
    await host.stopContainerd();
    await agent.kill();
    agent = await SplicedAgent.start(host);
    assert.deepEqual(await agent.ensureGuest(request), endpoint);
    await get(fromNode, 'big.md5');
    host.startContainerd();
    await eventually(() => host.inSandbox(sandbox, ['true']));
  });

  it('leaves nothing on the node once its anchor is gone', async () => {
    await hypervisor.remove(id);
    await agent.prune(['default/vm-abcde']);
    assert.notEqual(await interfaces(), '');
    await agent.removeGuest('default', 'vm-abcde');
    await agent.removeGuest('default', 'vm-abcde');
    assert.equal(await interfaces(), '');
    await agent.ensureGuest(request);
    await agent.prune([]);
    assert.equal(await interfaces(), '');
    assert.deepEqual(await run('ls', [join(folder, 'n1/var/lib/yadokari/network/splices')]), '');
    assert.doesNotMatch(await host.run(['ss', '-Hlnu', 'sport = :67']), /169\.254/);
  });
});
