import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { conditionOf } from '../../src/kube/conditions.ts';
import { object, startTestCluster, tinyImage, tinyMachine, words, type TestCluster } from '../env/cluster.ts';

const NAMESPACE = 'bad';

type Spec = Readonly<Record<string, unknown>>;

const image = (name: string, source: Spec, rest: Spec = {}) => object('VirtualMachineImage', name, { format: 'tar', source, ...rest });
const tiny = { file: { path: '/var/lib/yadokari/import/tiny.tar' } };
const boots = (name: string) => ({ kernelBoot: { image: name } });
const container = (rest: Spec = {}) => ({ name: 'main', image: 'localhost/yadokari/hello:1', ...rest });
const corePod = (name: string, metadata: Spec = {}) => `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec: { terminationGracePeriodSeconds: 0, containers: [container({ command: ['sleep', '1000'] })] } })}\n`;

/** What the API server refuses, and what it says. */
const refused: readonly (readonly [what: string, yaml: string, says: RegExp])[] = [
  ['a field that does not exist', tinyMachine('m', { memroy: '1Gi' }), /unknown field "spec\.memroy"/],
  ['a unit that does not exist', tinyMachine('m', { memory: '128MB' }), /memory is 128MB; it must be a number with a unit \(Ki, Mi, Gi/],
  ['no memory at all', tinyMachine('m', { memory: undefined }), /memory is required, such as 2Gi/],
  ['too little memory', tinyMachine('m', { memory: '1Mi' }), /memory is 1Mi; it must be at least 64Mi/],
  ['too much memory', tinyMachine('m', { memory: '1Ei' }), /memory is 1Ei; it must be at most 16Ti/],
  ['two disks of one name', tinyMachine('m', { disks: [{ name: 'a', blank: {}, size: '1Gi' }, { name: 'a', blank: {}, size: '2Gi' }] }), /spec\.disks\[1\]: Duplicate value/],
  ['a disk of two kinds', tinyMachine('m', { disks: [{ name: 'a', blank: {}, image: 'tiny', size: '1Gi' }] }), /a disk takes exactly one of image, blank/],
  ['a blank disk without a size', tinyMachine('m', { disks: [{ name: 'a', blank: {} }] }), /a blank disk needs a size, such as 10Gi/],
  ['nothing to boot from', tinyMachine('m', { kernelBoot: undefined }), /nothing to boot from: give disks or kernelBoot/],
  ['a run strategy that does not exist', tinyMachine('m', { runStrategy: 'Sometimes' }), /Unsupported value: "Sometimes": supported values: "Always", "Halted", "Manual", "RerunOnFailure", "Once"/],
  ['an address that is none', tinyMachine('m', { network: { address: '10.244.0.999' } }), /address is 10\.244\.0\.999; it must be an IPv4 address/],
  ['a floating address that is none', tinyMachine('m', { network: { floatingAddress: '203.0.113' } }), /floatingAddress is 203\.0\.113; it must be an IPv4 address such as 203\.0\.113\.7/],
  ['a multicast MAC address', tinyMachine('m', { network: { macAddress: '01:00:00:00:00:01' } }), /macAddress must be a unicast address/],
  ['user data twice', tinyMachine('m', { cloudInit: { userData: 'x', userDataSecret: { name: 'y' } } }), /userData or userDataSecret, not both/],
  ['user data in a place that does not exist', tinyMachine('m', { cloudInit: { source: 'Floppy' } }), /Unsupported value: "Floppy": supported values: "NoCloud", "ConfigDrive", "MetadataService"/],
  ['keys of a relay beside a config drive', tinyMachine('m', { containerHost: { transport: 'TLS' }, cloudInit: { source: 'ConfigDrive' } }), /has its keys on a seed of source NoCloud/],
  ['a name that is too long', tinyMachine('m'.repeat(58)), /at most 57 characters/],
  ['a machine of a provider with memory', tinyMachine('m', { kernelBoot: undefined, provider: { openstack: { tenant: 'shop', server: 'x' } } }), /a machine of a provider has no memory/],
  ['a machine of no provider', tinyMachine('m', { provider: {} }), /a provider takes exactly one of openstack/],
  ['a tenant that is synced all the time', object('OpenStackTenant', 't', { cloud: { secret: 's' }, syncPeriodSeconds: 1 }), /syncPeriodSeconds.*greater than or equal to 5/],
  ['an image of two sources', image('i', { ...tiny, http: { url: 'http://127.0.0.1/i' } }), /source takes exactly one of http, file/],
  ['an image path that climbs', image('i', { file: { path: '/var/lib/yadokari/import/../../../etc/shadow' } }), /path must be absolute and contain no \.\./],
  ['a checksum that is none', image('i', tiny, { checksum: 'sha256:1234' }), /spec\.checksum/],
];

interface BadMachine {
  readonly what: string;
  readonly name: string;
  readonly spec: Spec;
  readonly status: string;
  readonly reason: string;
  readonly says: RegExp;
}

/** Machines that cannot run, and what their status says. */
const stuck: readonly BadMachine[] = [
  { what: 'an image that does not exist', name: 'no-image', spec: boots('nothing'), status: 'ErrImagePull', reason: 'ImageNotFound', says: /VirtualMachineImage nothing does not exist in this namespace; create it/ },
  { what: 'an image of another checksum', name: 'wrong-sum', spec: boots('wrong-sum'), status: 'ErrImagePull', reason: 'ImageChecksumMismatch', says: /image wrong-sum is not what its checksum says; expected 0{64}, got [0-9a-f]{64}/ },
  { what: 'an image that cannot be fetched', name: 'no-server', spec: boots('no-server'), status: 'ErrImagePull', reason: 'ImageUnreachable', says: /image no-server cannot be read: .*(ECONNREFUSED|refused)/ },
  { what: 'an image outside the offered folders', name: 'outside', spec: boots('outside'), status: 'ErrImagePull', reason: 'FileForbidden', says: /image outside: \/etc\/passwd is not below \/var\/lib\/yadokari\/import/ },
  { what: 'an image file that is not there', name: 'no-file', spec: boots('no-file'), status: 'ErrImagePull', reason: 'FileNotFound', says: /image no-file: there is no file .*none\.tar on this node/ },
  { what: 'an image that is none', name: 'garbage', spec: { kernelBoot: undefined, disks: [{ name: 'root', image: 'garbage' }] }, status: 'ErrImagePull', reason: 'ImageInvalid', says: /image garbage/ },
  { what: 'a tar as a disk', name: 'tar-disk', spec: { kernelBoot: undefined, disks: [{ name: 'root', image: 'tiny' }] }, status: 'ErrImagePull', reason: 'ImageFormatWrong', says: /disk root needs an image of format qcow2, raw or iso; tiny is a tar/ },
  { what: 'a kernel that the image lacks', name: 'no-kernel', spec: { kernelBoot: { image: 'tiny', kernel: 'bzImage' } }, status: 'ErrImagePull', reason: 'FileNotFound', says: /image tiny has no file bzImage/ },
  { what: 'a node selector that nothing matches', name: 'nowhere', spec: { nodeSelector: { planet: 'mars' } }, status: 'ErrorUnschedulable', reason: 'Unschedulable', says: /0\/2 nodes are available: .*didn't match Pod's node affinity\/selector/ },
  { what: 'more memory than any node has', name: 'huge', spec: { memory: '16Ti' }, status: 'ErrorUnschedulable', reason: 'Unschedulable', says: /Insufficient memory/ },
  { what: 'an InstanceType that does not exist', name: 'no-type', spec: { memory: undefined, instanceType: 'giant' }, status: 'ErrorNotFound', reason: 'InstanceTypeNotFound', says: /InstanceType giant does not exist in this namespace; create it/ },
  { what: 'a Secret that does not exist', name: 'no-secret', spec: { cloudInit: { userDataSecret: { name: 'nothing' } } }, status: 'ErrorNotFound', reason: 'SecretNotFound', says: /Secret nothing does not exist in namespace bad/ },
  { what: 'a Secret without the key', name: 'no-key', spec: { cloudInit: { userDataSecret: { name: 'empty', key: 'data' } } }, status: 'ErrorNotFound', reason: 'SecretNotFound', says: /Secret empty has no key data/ },
  { what: 'an address outside the pools', name: 'far', spec: { network: { address: '192.0.2.7' } }, status: 'ErrorAddress', reason: 'AddressOutsidePools', says: /192\.0\.2\.7 lies in no enabled IPPool/ },
  { what: 'CPUs that do not add up', name: 'odd', spec: { cpu: 3, cpuTopology: { sockets: 2 } }, status: 'ErrorGuest', reason: 'TopologyWrong', says: /does not make 3 CPUs/ },
  { what: 'a CPU model that does not exist', name: 'abacus', spec: { cpuTopology: { model: 'Abacus-9000' } }, status: 'CrashLoopBackOff', reason: 'BackOff', says: /Abacus-9000/ },
];

const images = [
  tinyImage,
  image('wrong-sum', tiny, { checksum: `sha256:${'0'.repeat(64)}` }),
  image('no-server', { http: { url: 'http://127.0.0.1:54321/none.tar' } }),
  image('outside', { file: { path: '/etc/passwd' } }),
  image('no-file', { file: { path: '/var/lib/yadokari/import/none.tar' } }),
  image('garbage', { file: { path: '/var/lib/yadokari/import/garbage.qcow2' } }, { format: 'qcow2' }),
].join('');

describe('bad input', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const events = (name: string) => kubectl('get', 'events', '--field-selector', `involvedObject.name=${name}`, '-o', 'custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message', '--no-headers');

  const expectStuck = async ({ name, status, reason, says }: BadMachine) => {
    const vm = await cluster.vmThat(NAMESPACE, name, `${status}/${reason}`, (seen) => {
      const ready = conditionOf(seen.status?.conditions, 'Ready');
      return seen.status?.printableStatus === status && ready?.status === 'False' && ready.reason === reason && says.test(ready.message ?? '');
    }, 20_000);
    await cluster.eventually(`a warning of ${name}`, async () => (await events(name)).split('\n').some((line) => line.startsWith('Warning') && says.test(line)), 5000, NAMESPACE);
    return vm;
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'bad' });
    await cluster.namespace(NAMESPACE);
    await kubectl('create', 'secret', 'generic', 'empty');
    for (const node of cluster.nodes) await cluster.shell(node, 'echo "this is no image" > /var/lib/yadokari/import/garbage.qcow2');
    await cluster.apply(NAMESPACE, images);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  for (const [what, yaml, says] of refused) {
    it(`is refused: ${what}`, async () => {
      assert.match(await cluster.refusal(NAMESPACE, yaml), says);
    });
  }

  it('says in status, condition and event what is wrong with machines that cannot run, and deletes them without a trace', async (t) => {
    await cluster.apply(NAMESPACE, stuck.map(({ name, spec }) => tinyMachine(name, spec)).join(''));
    for (const machine of stuck) await t.test(machine.what, async () => void await expectStuck(machine));
    for (const { name } of stuck) await t.test(`${name} goes`, async () => void await cluster.deleteMachine(NAMESPACE, name, 5000));
  });

  it('gives an address to one machine alone, and to the next once the first is gone', async () => {
    await cluster.apply(NAMESPACE, tinyMachine('first'));
    const { status } = await cluster.vmThat(NAMESPACE, 'first', 'Running', (vm) => vm.status?.printableStatus === 'Running' && vm.status.address !== undefined);
    await cluster.apply(NAMESPACE, tinyMachine('second', { network: { address: status?.address } }));
    await expectStuck({ what: '', name: 'second', spec: {}, status: 'ErrorAddress', reason: 'AddressInUse', says: /is held by another workload; release it there or choose another one/ });
    // Not until nothing of it is left: the other has the address a moment later.
    await kubectl('delete', 'vm', 'first', '--timeout=30s');
    const second = await cluster.vmThat(NAMESPACE, 'second', 'Running', (vm) => vm.status?.printableStatus === 'Running', 60_000);
    assert.equal(second.status?.address, status?.address);
    await cluster.deleteMachine(NAMESPACE, 'second');
  });

  it('imports a slow image beside everything else, and gives up at once when its machine is deleted', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': String(2 ** 30) });
      const trickle = setInterval(() => response.write('x'), 100);
      response.on('close', () => clearInterval(trickle));
    }).listen(0);
    try {
      await once(server, 'listening');
      const gateway = cluster.status.nodes[0]?.address.replace(/\.\d+$/, '.1');
      await cluster.apply(NAMESPACE, image('slow', { http: { url: `http://${gateway}:${(server.address() as AddressInfo).port}/slow.tar` } }) + tinyMachine('slow', boots('slow')));
      await cluster.vmThat(NAMESPACE, 'slow', 'tells its progress', ({ status }) => status?.printableStatus === 'Provisioning' && /image slow: .* of 1Gi/.test(conditionOf(status.conditions, 'Ready')?.message ?? ''), 20_000);
      await cluster.eventually('the image tells it too', async () => (await kubectl('get', 'vmimage', 'slow')).includes('Importing'), 5000, NAMESPACE);
      await cluster.deleteMachine(NAMESPACE, 'slow', 5000);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('goes on by itself once what was missing is there', async () => {
    await cluster.apply(NAMESPACE, tinyMachine('later', { memory: undefined, instanceType: 'small', cloudInit: { userDataSecret: { name: 'later' } }, kernelBoot: { image: 'later' } }));
    await cluster.vmThat(NAMESPACE, 'later', 'misses its type', (vm) => vm.status?.printableStatus === 'ErrorNotFound');
    await cluster.apply(NAMESPACE, object('InstanceType', 'small', { cpu: 1, memory: '128Mi' }));
    await cluster.vmThat(NAMESPACE, 'later', 'misses its image', (vm) => vm.status?.printableStatus === 'ErrImagePull');
    await cluster.apply(NAMESPACE, image('later', tiny));
    await cluster.vmThat(NAMESPACE, 'later', 'misses its Secret', (vm) => vm.status?.printableStatus === 'ErrorNotFound' && conditionOf(vm.status.conditions, 'Ready')?.reason === 'SecretNotFound');
    await kubectl('create', 'secret', 'generic', 'later', '--from-literal=userdata=#!/bin/sh');
    await cluster.vmThat(NAMESPACE, 'later', 'Running', (vm) => vm.status?.printableStatus === 'Running', 60_000);
    await cluster.deleteMachine(NAMESPACE, 'later');
  });

  it('lets nobody make an anchor, not even an administrator', async () => {
    const crafted = corePod('crafted', { labels: { 'yadokari.dev/virtual-machine': 'x' }, annotations: { 'yadokari.dev/guest': '{}' } });
    assert.match(await cluster.refusal(NAMESPACE, crafted), /only the Yadokari operator makes anchors .*create a VirtualMachine instead/);
    await kubectl('create', 'rolebinding', 'somebody', '--clusterrole=edit', '--user=somebody');
    assert.match(await cluster.refusal(NAMESPACE, crafted, '--as=somebody'), /only the Yadokari operator makes anchors/);
    await cluster.apply(NAMESPACE, corePod('plain'));
    await assert.rejects(kubectl('annotate', 'pod', 'plain', 'yadokari.dev/guest={}'), /only the Yadokari operator makes anchors/);
    await assert.rejects(kubectl('label', 'pod', 'plain', 'yadokari.dev/virtual-machine=x'), /only the Yadokari operator makes anchors/);
  });

  it('says of a Pod whose name is taken or whose spec is refused why it does not run', async () => {
    const pods: readonly (readonly [string, Spec, string, RegExp])[] = [
      ['plain', { containers: [container()] }, 'NameTaken', /a pod plain .*is in the way; delete it or rename this one/],
      ['unknown-volume', { containers: [container({ volumeMounts: [{ name: 'nothing', mountPath: '/x' }] })] }, 'Refused', /volumeMounts\[0\]\.name: Not found: "nothing"/],
    ];
    await cluster.apply(NAMESPACE, corePod('plain'));
    await cluster.apply(NAMESPACE, pods.map(([name, spec]) => object('Pod', name, spec)).join(''));
    for (const [name, , reason, says] of pods) {
      const ready = await cluster.eventually(`${name} is ${reason}`, async () => {
        const text = await kubectl('get', 'ypod', name, '-o', 'jsonpath={.status.phase}|{.status.conditions[?(@.type=="Ready")].reason}|{.status.conditions[?(@.type=="Ready")].message}');
        return text.startsWith(`Failed|${reason}|`) && text;
      }, 10_000, NAMESPACE);
      assert.match(ready, says);
      assert.match(await cluster.eventually(`an event of ${name}`, async () => (await events(name)).includes(reason) && events(name), 5000, NAMESPACE), says);
      await kubectl('delete', 'ypod', name, '--timeout=10s');
    }
    await kubectl('wait', '--for=condition=Ready', 'pod/plain', '--timeout=10s');
    await kubectl('delete', 'pod', 'plain', '--timeout=10s');
  });

  it('leaves nothing of all that on any node', async () => {
    assert.equal(await kubectl('get', 'vm,ypod,pods', '-o', 'name'), '');
    const handles = await cluster.kubectl('get', 'ipamhandles.crd.projectcalico.org', '-o', 'name');
    assert.ok(!handles.includes(`.${NAMESPACE}.`), handles);
    for (const node of cluster.nodes) {
      assert.deepEqual(await cluster.taps(node), []);
      assert.deepEqual(words(await cluster.inNode(node, 'virsh', '-q', 'list', '--all', '--name')), []);
      assert.deepEqual(words(await cluster.shell(node, 'ls /var/lib/yadokari/guests')), []);
      assert.deepEqual(words(await cluster.shell(node, 'ls /var/lib/yadokari/images')).filter((name) => name.includes('import')), []);
    }
  });
});
