import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { API_VERSION } from '../../api/group.ts';
import type { VirtualMachineImageSpec } from '../../api/virtual-machine-image.ts';
import type { VirtualMachineSpec } from '../../api/virtual-machine.ts';
import type { PersistentVolumeClaim } from '../../kube/core.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { compileGuest, hasPersistentDisk, UnresolvedError, type References } from './guest-compiler.ts';

const images: Readonly<Record<string, VirtualMachineImageSpec>> = {
  debian: { source: { http: { url: 'https://images.example/debian.qcow2' } }, format: 'qcow2', checksum: `sha256:${'a'.repeat(64)}` },
  setup: { source: { file: { path: '/var/lib/yadokari/import/setup.iso' } }, format: 'iso' },
  glance: { source: { glance: { tenant: 'shop', image: 'i1' } }, format: 'qcow2' },
  kernel: { source: { file: { path: '/var/lib/yadokari/import/kernel.tar' } }, format: 'tar' },
};

const claim = (name: string, spec: PersistentVolumeClaim['spec'], more: Partial<PersistentVolumeClaim['metadata']> = {}, capacity?: string): PersistentVolumeClaim => ({
  apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace: 'shop', ...more }, spec: { resources: { requests: { storage: '1Gi' } }, ...spec },
  ...(capacity === undefined ? {} : { status: { capacity: { storage: capacity } } }),
});
const claims = [
  claim('data', { volumeMode: 'Block' }, {}, '2Gi'), claim('files', { accessModes: ['ReadWriteMany'] }),
  claim('catalogue', { accessModes: ['ReadOnlyMany'] }), claim('leaving', {}, { deletionTimestamp: '2026-01-01T12:00:00Z' }),
  claim('cinder', { volumeMode: 'Block' }, { labels: { 'openstack.yadokari.dev/tenant': 'shop' } }),
];

const references: References = {
  image: (name) => {
    const spec = images[name];
    return spec === undefined ? undefined : { apiVersion: API_VERSION, kind: 'VirtualMachineImage', metadata: { name, uid: `uid-of-${name}` }, spec };
  },
  claim: (name) => claims.find(({ metadata }) => metadata.name === name),
  instanceType: (name) => (name === 'small' ? { apiVersion: API_VERSION, kind: 'InstanceType', metadata: { name }, spec: { cpu: 4, memory: '8Gi' } } : undefined),
};

const machine = (spec: VirtualMachineSpec): VirtualMachine => ({ apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: 'web', namespace: 'shop', uid: 'u1' }, spec });
const compile = (spec: VirtualMachineSpec) => compileGuest(machine(spec), references);
const root = [{ name: 'root', image: 'debian' }];

describe('a compiled guest', () => {
  it('has one CPU, BIOS and its own name unless the machine says otherwise', () => {
    const { cpu, memoryMiB, boot, hostname, disks } = compile({ memory: '2Gi', disks: root });
    assert.deepEqual({ cpu, memoryMiB, boot, hostname }, { cpu: { sockets: 1, cores: 1, threads: 1 }, memoryMiB: 2048, boot: { kind: 'firmware', firmware: 'bios' }, hostname: 'web' });
    assert.deepEqual(disks, [{
      name: 'root', sizeBytes: 0, ephemeral: false, readOnly: false,
      image: { name: 'debian', key: `sha256:${'a'.repeat(64)}`, source: { kind: 'http', url: 'https://images.example/debian.qcow2' }, checksum: `sha256:${'a'.repeat(64)}`, format: 'qcow2' },
    }]);
  });

  it('takes from its instance type what it does not say itself', () => {
    assert.deepEqual([compile({ instanceType: 'small', disks: root }), compile({ instanceType: 'small', cpu: 2, disks: root }), compile({ instanceType: 'small', memory: '1Gi', disks: root })]
      .map(({ cpu, memoryMiB }) => [cpu.cores, memoryMiB]), [[4, 8192], [2, 8192], [4, 1024]]);
  });

  it('tells an image without a checksum by its uid, so that one made anew is imported anew', () => {
    assert.equal(compile({ memory: '1Gi', disks: [{ name: 'cd', image: 'setup' }] }).disks[0]?.image?.key, 'uid:uid-of-setup');
  });

  it('never writes to an ISO', () => {
    assert.equal(compile({ memory: '1Gi', disks: [{ name: 'cd', image: 'setup' }] }).disks[0]?.readOnly, true);
  });

  it('names Secrets and never copies them', () => {
    const { cloudInit } = compile({ memory: '1Gi', disks: root, cloudInit: { userDataSecret: { name: 'seed' } }, sshKeys: [{ secret: 'keys' }] });
    assert.deepEqual(cloudInit, { userDataSecret: { name: 'seed', key: 'userdata' }, sshKeySecrets: ['keys'] });
  });

  it('says where the guest finds its metadata only where that is not the default', () => {
    const told = (cloudInit: object) => compile({ memory: '1Gi', disks: root, cloudInit }).cloudInit;
    assert.deepEqual(told({ source: 'NoCloud' }), { sshKeySecrets: [] });
    assert.deepEqual(told({ source: 'MetadataService' }), { source: 'metadataService', sshKeySecrets: [] });
    assert.deepEqual(told({ source: 'ConfigDrive', instanceID: 'i', metadata: { role: 'web' }, availabilityZone: 'nova' }), { source: 'configDrive', instanceId: 'i', metadata: { role: 'web' }, availabilityZone: 'nova', sshKeySecrets: [] });
  });

  it('writes a MAC address in lower case, as it is compared', () => {
    assert.equal(compile({ memory: '1Gi', disks: root, network: { macAddress: '02:AB:00:00:00:01' } }).macAddress, '02:ab:00:00:00:01');
  });

  it('boots a kernel from a tar', () => {
    const { boot } = compile({ memory: '1Gi', kernelBoot: { image: 'kernel', arguments: 'quiet' } });
    assert.deepEqual(boot.kind === 'kernel' && [boot.kernel, boot.initrd, boot.commandLine, boot.image.format], ['vmlinuz', undefined, 'quiet', 'tar']);
  });

  describe('probes that the agent makes', () => {
    const ports = { network: { ports: [{ name: 'web', port: 8080, protocol: 'TCP' as const }] } };
    const probesOf = (probes: VirtualMachineSpec['probes']) => compile({ memory: '1Gi', disks: root, ...ports, ...(probes === undefined ? {} : { probes }) }).probes;
    const timing = { initialDelaySeconds: 120, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 };

    it('have ports by number and all their times', () => {
      assert.deepEqual(probesOf({ liveness: { httpGet: { port: 'web', path: '/up' } } }), { liveness: { action: { kind: 'httpGet', port: 8080, path: '/up' }, timing } });
      assert.deepEqual(probesOf({ liveness: { tcpSocket: { port: 22 }, initialDelaySeconds: 5, failureThreshold: 1 } }), { liveness: { action: { kind: 'tcpSocket', port: 22 }, timing: { ...timing, initialDelaySeconds: 5, failureThreshold: 1 } } });
      assert.deepEqual(probesOf({ liveness: { grpc: { port: 50051, service: 'shop' } } })?.liveness?.action, { kind: 'grpc', port: 50051, service: 'shop' });
    });

    it('are of readiness where the guest agent is asked, and else the kubelet\'s', () => {
      assert.deepEqual(probesOf({ readiness: { guestAgent: {} } }), { readiness: { action: { kind: 'guestAgent' }, timing: { ...timing, initialDelaySeconds: 0, periodSeconds: 1 } } });
      assert.equal(probesOf({ readiness: { httpGet: { port: 'web' } } }), undefined);
      assert.equal(probesOf(undefined), undefined);
    });
  });

  it('has disks of claims as large as these, and shared files under their tags', () => {
    const { disks, filesystems } = compile({
      memory: '1Gi', disks: [{ name: 'data', persistentVolumeClaim: 'data' }, { name: 'boot', persistentVolumeClaim: 'files' }, { name: 'old', persistentVolumeClaim: 'catalogue', readOnly: true }],
      filesystems: [{ name: 'media', persistentVolumeClaim: 'files', tag: 'm' }, { name: 'books', persistentVolumeClaim: 'catalogue' }],
    });
    assert.deepEqual(disks.map(({ name, claim: of, sizeBytes, readOnly }) => [name, of, sizeBytes, readOnly]), [
      ['data', { name: 'data', mode: 'Block' }, 2 * 2 ** 30, false], ['boot', { name: 'files', mode: 'Filesystem' }, 2 ** 30, false], ['old', { name: 'catalogue', mode: 'Filesystem' }, 2 ** 30, true],
    ]);
    assert.deepEqual(filesystems, [{ name: 'media', claim: 'files', tag: 'm', readOnly: false }, { name: 'books', claim: 'catalogue', tag: 'books', readOnly: true }]);
  });

  const refused: readonly (readonly [what: string, spec: VirtualMachineSpec, code: UnresolvedError['code'], message: RegExp])[] = [
    ['an image that does not exist', { memory: '1Gi', disks: [{ name: 'root', image: 'nope' }] }, 'ImageNotFound', /VirtualMachineImage nope does not exist/],
    ['an image of a cloud', { memory: '1Gi', disks: [{ name: 'root', image: 'glance' }] }, 'ImageNotImportable', /glance is in Glance of OpenStackTenant shop, from where only disks with a storageClassName are made/],
    ['an instance type that does not exist', { instanceType: 'huge', disks: root }, 'InstanceTypeNotFound', /huge/],
    ['a tar as a disk', { memory: '1Gi', disks: [{ name: 'root', image: 'kernel' }] }, 'ImageFormatWrong', /disk root .* kernel is a tar/],
    ['a disk image as a kernel', { memory: '1Gi', kernelBoot: { image: 'debian' } }, 'ImageFormatWrong', /debian is qcow2/],
    ['a probe of a port that it does not have', { memory: '1Gi', disks: root, network: { ports: [{ name: 'web', port: 80, protocol: 'TCP' }] }, probes: { liveness: { tcpSocket: { port: 'ssh' } } } }, 'PortNotFound', /port ssh; network\.ports has no port of this name/],
    ['a claim that does not exist', { memory: '1Gi', disks: [{ name: 'd', persistentVolumeClaim: 'nope' }] }, 'ClaimNotFound', /PersistentVolumeClaim nope does not exist/],
    ['a claim that is being deleted', { memory: '1Gi', disks: [{ name: 'd', persistentVolumeClaim: 'leaving' }] }, 'ClaimNotFound', /leaving is being deleted/],
    ['a claim of a volume in a cloud', { memory: '1Gi', disks: [{ name: 'd', persistentVolumeClaim: 'cinder' }] }, 'ClaimUnsuitable', /cinder is a volume of OpenStackTenant shop: it is shown here/],
    ['a claim to read as a disk to write', { memory: '1Gi', disks: [{ name: 'd', persistentVolumeClaim: 'catalogue' }] }, 'ClaimUnsuitable', /disk d needs to be readOnly/],
    ['a device as shared files', { memory: '1Gi', disks: root, filesystems: [{ name: 'f', persistentVolumeClaim: 'data' }] }, 'ClaimUnsuitable', /data is Block: use it as a disk/],
    ['a topology that does not make the CPUs', { memory: '1Gi', cpu: 3, cpuTopology: { sockets: 2 }, disks: root }, 'TopologyWrong', /does not make 3 CPUs/],
  ];
  for (const [what, spec, code, message] of refused) {
    it(`is not made of ${what}`, () => assert.throws(() => compile(spec), (error: unknown) => error instanceof UnresolvedError && error.code === code && message.test(error.message)));
  }
});

describe('a machine', () => {
  const disks: readonly (readonly [what: string, spec: VirtualMachineSpec, persistent: boolean])[] = [
    ['with an overlay', { memory: '1Gi', disks: root }, true],
    ['with a blank disk', { memory: '1Gi', disks: [{ name: 'data', blank: {}, size: '1Gi' }] }, true],
    ['with a disk of a claim only', { memory: '1Gi', disks: [{ name: 'data', persistentVolumeClaim: 'data' }] }, false],
    ['with ephemeral disks only', { memory: '1Gi', disks: [{ name: 'root', image: 'debian', ephemeral: true }] }, false],
    ['with an ISO only', { memory: '1Gi', disks: [{ name: 'cd', image: 'setup' }] }, false],
    ['without disks', { memory: '1Gi', kernelBoot: { image: 'kernel' } }, false],
  ];
  for (const [what, spec, persistent] of disks) it(`${what} ${persistent ? 'belongs to the node that holds them' : 'may run anywhere'}`, () => assert.equal(hasPersistentDisk(compile(spec)), persistent));
});
