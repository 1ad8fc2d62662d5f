import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANNOTATION_DETAILS } from '../../../api/open-stack-names.ts';
import type { PersistentVolume } from '../../../kube/storage.ts';
import type { Flavor, Keypair } from '../../../openstack/compute/types.ts';
import type { Image } from '../../../openstack/image/port.ts';
import type { Network, Subnet } from '../../../openstack/network/types.ts';
import type { Volume } from '../../../openstack/volume/port.ts';
import { contextWith, problemOf, wantedOf } from './context-builder.ts';
import { flavors } from './flavors.ts';
import { images } from './images.ts';
import { keypairs } from './keypairs.ts';
import { subnets } from './subnets.ts';
import { claims, volumeName, volumes } from './volumes.ts';

const context = contextWith();

test('a flavor is an InstanceType, with what that has no field for beside it', () => {
  const flavor: Flavor = { id: '3', name: 'm1.medium', vcpus: 2, memoryMiB: 1536, diskGiB: 40, ephemeralGiB: 0, swapMiB: 512, extraSpecs: { 'hw:cpu_policy': 'dedicated' }, public: true, disabled: false };
  assert.equal(flavors.baseName(flavor, context.tenant), 'm1-medium');
  const { body, annotations } = wantedOf(flavors.map(flavor, context, undefined));
  assert.deepEqual(body, { spec: { cpu: 2, memory: '1536Mi' } });
  assert.deepEqual(JSON.parse(annotations?.[ANNOTATION_DETAILS] ?? ''), { diskGiB: 40, ephemeralGiB: 0, swapMiB: 512, extraSpecs: { 'hw:cpu_policy': 'dedicated' }, public: true, disabled: false });
  assert.match(problemOf(flavors.map({ ...flavor, memoryMiB: 1 }, context, undefined)), /m1\.medium has 2 CPUs and 1 MiB/);
});

const image: Image = {
  id: 'i1', name: 'Debian 13', status: 'active', visibility: 'public', diskFormat: 'qcow2', containerFormat: 'bare', sizeBytes: 5, virtualSizeBytes: 10, hash: { algorithm: 'sha512', hex: 'a'.repeat(128) },
  minimumDiskGiB: 2, minimumMemoryMiB: 256, protected: false, tags: [], createdAtMs: 0, updatedAtMs: 0, properties: { hw_disk_bus: 'virtio' },
};

test('an image is a VirtualMachineImage of Glance, with its checksum', () => {
  const { body, status } = wantedOf(images.map(image, context, undefined));
  assert.deepEqual(body, { spec: { source: { glance: { tenant: 'shop', image: 'i1' } }, format: 'qcow2', checksum: `sha512:${'a'.repeat(128)}` } });
  assert.deepEqual(status, { glance: { status: 'active', visibility: 'public', sizeBytes: 5, virtualSizeBytes: 10, minimumDiskGiB: 2, minimumMemoryMiB: 256, properties: { hw_disk_bus: 'virtio' } } });
  const { hash: _hash, ...plain } = image;
  assert.equal('checksum' in (wantedOf(images.map(plain, context, undefined)).body['spec'] as object), false);
  assert.equal('checksum' in (wantedOf(images.map({ ...image, hash: { algorithm: 'md5', hex: 'ab' } }, context, undefined)).body['spec'] as object), false);
});

test('an image whose spec would change is made anew, since images are immutable', () => {
  assert.equal(images.isFixed?.(['spec.checksum']), true);
  assert.equal(images.isFixed?.(['metadata.annotations.a']), false);
});

test('images of formats that are not known here are named', () => {
  assert.match(problemOf(images.map({ ...image, diskFormat: 'vmdk' }, context, undefined)), /Debian 13 is of format vmdk/);
  const { diskFormat: _format, ...queued } = { ...image, status: 'queued' as const };
  assert.match(problemOf(images.map(queued, context, undefined)), /is queued, and has no format yet/);
});

test('an image that an object here asked for is shown by that one', () => {
  assert.deepEqual(images.map(image, contextWith({ isSnapshot: (id) => id === 'i1' }), undefined), { kind: 'elsewhere' });
});

test('a public key is a Secret that sshKeys can name', () => {
  const keypair: Keypair = { name: 'Alice', publicKey: 'ssh-ed25519 AAAA alice', fingerprint: 'f', type: 'ssh' };
  assert.deepEqual(wantedOf(keypairs.map(keypair, context, undefined)).body, { data: { 'ssh-publickey': Buffer.from('ssh-ed25519 AAAA alice\n').toString('base64') } });
  assert.match(problemOf(keypairs.map({ ...keypair, type: 'x509' }, context, undefined)), /type x509/);
});

const volume: Volume = { id: 'v1', name: 'Data', status: 'in-use', sizeGiB: 3, type: 'ssd', bootable: true, encrypted: false, multiattach: false, metadata: {}, attachments: [], createdAtMs: 0 };

test('a volume is a claim and a PersistentVolume that name each other', () => {
  const claim = wantedOf(claims.map(volume, context, undefined)).body['spec'] as { volumeName: string };
  assert.deepEqual(claim, { accessModes: ['ReadWriteOnce'], volumeMode: 'Block', storageClassName: '', volumeName: volumeName(context.tenant, 'v1'), resources: { requests: { storage: '3Gi' } } });
  const there = contextWith({ mirrorOf: (target) => (target === 'claims' ? { name: 'data', uid: 'c1' } : undefined) });
  assert.deepEqual(wantedOf(volumes.map(volume, there, undefined)).body, {
    spec: {
      capacity: { storage: '3Gi' }, accessModes: ['ReadWriteOnce'], volumeMode: 'Block', persistentVolumeReclaimPolicy: 'Retain',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'web', name: 'data' }, csi: { driver: 'openstack.csi.yadokari.dev', volumeHandle: 'v1' },
    },
  });
  assert.equal(volumes.baseName(volume, context.tenant), claim.volumeName);
  assert.match(problemOf(volumes.map(volume, context, undefined)), /no claim here yet/);
});

test('a volume that is bound to a claim that is gone is free for the one that was made anew', () => {
  const there = contextWith({ mirrorOf: () => ({ name: 'data', uid: 'new' }) });
  const bound = (uid: string) => ({ spec: { claimRef: { name: 'data', uid } } }) as unknown as PersistentVolume;
  const claimRef = (uid: string) => (wantedOf(volumes.map(volume, there, bound(uid))).body['spec'] as { claimRef: object }).claimRef;
  assert.deepEqual(claimRef('old'), { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'web', name: 'data', uid: null, resourceVersion: null });
  assert.equal('uid' in claimRef('new'), false);
});

test('volumes of two tenants of one project have names of their own', () => {
  const other = { ...context.tenant, metadata: { ...context.tenant.metadata, namespace: 'db' } };
  assert.notEqual(volumeName(context.tenant, 'v1'), volumeName(other, 'v1'));
});

const neutron = { projectId: 'p', description: '', tags: [], revision: 1 };
const subnet: Subnet = { ...neutron, id: 'n1', name: 'lan v4', networkId: 'net', version: 4, cidr: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: true, pools: [], dnsServers: [], routes: [] };
const network = (external: boolean): Network => ({ ...neutron, id: 'net', name: 'lan', status: 'ACTIVE', up: true, external, shared: false, subnetIds: [], portSecurity: true });

test('a subnet is an IPPool that gives no addresses', () => {
  assert.equal(subnets.baseName(subnet, context.tenant), 'shop-web-lan-v4');
  assert.deepEqual(wantedOf(subnets.map(subnet, context, undefined)).body, { spec: { cidr: '10.1.0.0/24', blockSize: 26, disabled: true, nodeSelector: '!all()', natOutgoing: false, ipipMode: 'Never', vxlanMode: 'Never', disableBGPExport: true } });
  const blockSize = (change: Partial<Subnet>) => (wantedOf(subnets.map({ ...subnet, ...change }, context, undefined)).body['spec'] as { blockSize: number }).blockSize;
  assert.deepEqual([blockSize({ cidr: '10.1.0.0/29' }), blockSize({ cidr: 'fd00::/64', version: 6 }), blockSize({ cidr: 'fd00::/126', version: 6 })], [29, 122, 126]);
});

test('a subnet that overlaps what the cluster has is refused, with both networks named', () => {
  const mapping = subnets.map(subnet, contextWith({ reserved: [{ what: 'IPPool pods', cidr: '10.0.0.0/8' }] }), undefined);
  assert.deepEqual(mapping, { kind: 'impossible', problem: 'subnet lan v4 (10.1.0.0/24) overlaps IPPool pods (10.0.0.0/8): there is no IPPool of it', overlap: 'subnet lan v4 (10.1.0.0/24) overlaps IPPool pods (10.0.0.0/8)' });
});

test('there are no IPPools of subnets that others reach', () => {
  assert.match(problemOf(subnets.map({ ...subnet, cidr: '203.0.113.0/24' }, context, undefined)), /is not private/);
  assert.match(problemOf(subnets.map(subnet, contextWith({ state: { networks: new Map([['net', network(true)]]) } }), undefined)), /is of network lan, which is external/);
  assert.equal(subnets.map(subnet, contextWith({ state: { networks: new Map([['net', network(false)]]) } }), undefined).kind, 'wanted');
});
