/** What guests find of themselves where those of an OpenStack look: on a config drive, and at 169.254.169.254. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { VirtualMachine } from '../../src/kube/yadokari.ts';
import { object, startTestCluster, tinyImage, tinyMachine, type TestCluster } from '../env/cluster.ts';
import { GuestShell } from '../env/guest-shell.ts';
import { SshUser } from '../env/ssh.ts';

const NAMESPACE = 'seeds';
const SERVICE = 'http://169.254.169.254';

const cloudInit = (source: string, name: string) => ({ source, userData: `#!/bin/sh\n# ${name}\necho ${name} > /run/told\n`, metadata: { role: name }, availabilityZone: 'zone-1', instanceID: `id-of-${name}` });

describe('metadata of machines', { timeout: 480_000 }, () => {
  let cluster: TestCluster;
  let alice: SshUser;
  const shells = new Map<string, GuestShell>();
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const shell = (name: string): GuestShell => shells.get(name) ?? assert.fail(`no shell in ${name}`);
  const hasAgent = ({ status }: VirtualMachine) => status?.guest?.agentConnected === true;
  /** As a guest reads it; what is not there is `none`. */
  const asked = (name: string, path: string) => shell(name).run(`timeout 20 wget -q -O - ${SERVICE}${path} || echo none`);
  const meet = async (name: string): Promise<VirtualMachine> => {
    const vm = await cluster.vmThat(NAMESPACE, name, 'has its agent', hasAgent, 90_000);
    shells.set(name, new GuestShell(cluster, vm.status?.node ?? '', vm.metadata.uid ?? ''));
    return vm;
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'seeds', nodes: 1 });
    await cluster.namespace(NAMESPACE);
    alice = await SshUser.create('alice');
    await kubectl('create', 'secret', 'generic', 'keys', `--from-literal=alice=${alice.publicKey}`);
    const machine = (name: string, source: string) => tinyMachine(name, { hostname: `${name}-host`, sshKeys: [{ secret: 'keys' }], cloudInit: cloudInit(source, name) });
    const box = object('Pod', 'box', { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'localhost/yadokari/hello:1', command: ['sleep', '1000'] }] });
    await cluster.apply(NAMESPACE, tinyImage + machine('drive', 'ConfigDrive') + machine('seed', 'NoCloud') + machine('served', 'MetadataService') + machine('other', 'MetadataService') + box);
    for (const name of ['drive', 'seed', 'served', 'other']) await meet(name);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await alice?.[Symbol.asyncDispose]();
  });

  it('are on a disk that is labelled config-2', async () => {
    await shell('drive').run('modprobe isofs; for block in /sys/block/vd*; do if [ "$(cat $block/serial)" = cidata ]; then mount -t iso9660 -o ro /dev/${block##*/} /mnt; fi; done');
    assert.match(await shell('drive').run('blkid'), /LABEL="config-2"/);
    const files = (await shell('drive').run('cd /mnt; find . -type f | sort')).split('\n');
    assert.deepEqual(files, ['./ec2/latest/meta-data.json', './ec2/latest/user-data', './openstack/latest/meta_data.json', './openstack/latest/network_data.json', './openstack/latest/user_data', './openstack/latest/vendor_data.json']);
    const metaData = JSON.parse(await shell('drive').run('cat /mnt/openstack/latest/meta_data.json')) as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      [metaData['uuid'], metaData['name'], metaData['hostname'], metaData['project_id'], metaData['availability_zone'], metaData['launch_index'], metaData['meta'], metaData['public_keys']],
      ['id-of-drive', 'drive', 'drive-host', NAMESPACE, 'zone-1', 0, { role: 'drive' }, { 'key-1': alice.publicKey }],
    );
    assert.match(await shell('drive').run('cat /mnt/openstack/latest/user_data'), /# drive/);
    const { links: [link] } = JSON.parse(await shell('drive').run('cat /mnt/openstack/latest/network_data.json')) as { readonly links: readonly { readonly ethernet_mac_address: string }[] };
    assert.equal(link?.ethernet_mac_address, await shell('drive').run('cat /sys/class/net/eth0/address'));
  });

  it('let in who has the key, and nobody else, and run what the user gave', async () => {
    await using mallory = await SshUser.create('mallory');
    for (const name of ['drive', 'seed']) {
      const address = (await cluster.vm(NAMESPACE, name)).status?.address ?? '';
      await cluster.eventually(`the SSH server of ${name}`, () => alice.run(address, 'true').then(() => true, () => false), 60_000, NAMESPACE);
      assert.equal(await alice.run(address, 'cat /run/told /etc/hostname'), `${name}\n${name}-host`);
      await assert.rejects(mallory.run(address, 'true'), /Permission denied/);
    }
  });

  it('are served to the guests that asked for it, to each its own', async () => {
    for (const name of ['served', 'other']) {
      const { status } = await cluster.vm(NAMESPACE, name);
      const metaData = JSON.parse(await cluster.eventually(`an answer for ${name}`, async () => {
        const text = await asked(name, '/openstack/latest/meta_data.json');
        return text !== 'none' && text;
      }, 20_000, NAMESPACE)) as Readonly<Record<string, unknown>>;
      assert.deepEqual([metaData['uuid'], metaData['name'], metaData['meta']], [`id-of-${name}`, name, { role: name }]);
      assert.match(await asked(name, '/openstack/latest/user_data'), new RegExp(`# ${name}`));
      assert.match(await asked(name, '/latest/user-data'), new RegExp(`# ${name}`));
      assert.equal(await asked(name, '/2009-04-04/meta-data/local-ipv4'), status?.address);
      assert.equal(await asked(name, '/latest/meta-data/public-keys/0/openssh-key'), alice.publicKey);
      assert.equal(await asked(name, '/openstack/latest/nothing'), 'none');
    }
  });

  it('are told to nobody else', async () => {
    const { status } = await cluster.vm(NAMESPACE, 'served');
    assert.equal(await asked('drive', '/openstack/latest/meta_data.json'), 'none', 'a guest that has a drive');
    const inBox = (url: string, ...header: readonly string[]) => kubectl('exec', 'box', '--', 'sh', '-c', `timeout 20 wget -q -O - ${header.map((one) => `--header '${one}'`).join(' ')} ${url} || echo none`);
    assert.equal((await inBox(`${SERVICE}/openstack/latest/meta_data.json`)).trim(), 'none', 'a pod');
    assert.equal((await inBox('http://169.254.1.1:9403/openstack/latest/meta_data.json', `X-Forwarded-For: ${status?.address ?? ''}`)).trim(), 'none', 'a pod that says it is the guest');
  });

  it('are there again after the agent was started anew', async () => {
    const node = (await cluster.vm(NAMESPACE, 'served')).status?.node ?? '';
    const agent = () => cluster.shell(node, 'pgrep -f "yado-agent" | head -1');
    const before_ = await agent();
    await cluster.shell(node, `kill -9 ${before_}`);
    await cluster.eventually('another agent', async () => !['', before_].includes(await agent().catch(() => '')), 60_000, NAMESPACE);
    await cluster.eventually('an answer', async () => (await asked('served', '/latest/meta-data/instance-id')) === 'id-of-served', 60_000, NAMESPACE);
  });
});
