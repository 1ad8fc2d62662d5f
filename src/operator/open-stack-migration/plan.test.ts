import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenStackMigrationSpec } from '../../api/open-stack-migration.ts';
import { SimulatedCloud } from '../../openstack/drivers/simulated/cloud.ts';
import { Inventory } from '../../openstack/inventory.ts';
import { StateIndex } from '../open-stack-tenant/state-index.ts';
import { planOf, type PlanGround } from './plan.ts';
import { sourceServer, type SourceServer } from './source-server.ts';

/** A server with all that can be, and the ground that has all that it needs. */
async function given(): Promise<SourceServer> {
  await using cloud = new SimulatedCloud({ actionMs: 0, buildMs: 0 });
  await cloud.compute.createKeypair('key', 'ssh-ed25519 AAAA');
  const volume = await cloud.volume?.createVolume({ name: 'data', sizeGiB: 3, type: 'ssd' }) ?? assert.fail();
  const [image = ''] = cloud.image.table.keys();
  const { id } = cloud.compute.add({ name: 'web', flavorId: 'm1.small', imageId: image, networks: 'auto', keyName: 'key', disks: [{ source: { kind: 'volume', id: volume.id }, destination: 'volume', deleteOnTermination: false }] });
  const { state } = await new Inventory(cloud).sync();
  return sourceServer(state.servers.get(id) ?? assert.fail(), state, new StateIndex());
}

const spec: OpenStackMigrationSpec = { tenant: 'shop', servers: { names: ['web'] } };
const ground: PlanGround = { spec, classOf: () => 'ceph', hasClass: () => true, hasType: () => true, hasFloating: () => false, hasPool: () => true, hasKey: () => true, hasPolicy: () => true, takenClaims: () => false, hasEnforcement: true, hasCephKey: true };

test('keeps what there is a counterpart of, and says how much it takes', async () => {
  const source = await given();
  const plan = planOf('web', source, ground);
  assert.deepEqual(plan.impossible, []);
  assert.equal(plan.bytes, 23 * 2 ** 30);
  for (const part of ['power state: runs', 'disk of the image: 20Gi, claim moved-web-root of StorageClass ceph', 'volume data: 3Gi', 'flavor m1.small: 1 CPUs, 2048Mi', 'MAC address', 'fixed address', 'security group default', 'keypair key', source.server.id]) assert.ok(plan.kept.some((line) => line.includes(part)), `${part} in ${plan.kept.join('\n')}`);
});

test('brings one floating address along, of those that a pool has', async () => {
  const source = await given();
  const floating = ['203.0.113.5', '203.0.113.6', '203.0.113.7'].map((address) => ({ id: address, name: '', description: '', tags: [], revision: 1, address, networkId: 'public', status: 'ACTIVE', projectId: '' }));
  const withFloating = { ...source, interfaces: source.interfaces.map((one) => ({ ...one, floating })) };
  const said = (hasFloating: PlanGround['hasFloating']): readonly (readonly string[])[] => {
    const { kept, changed } = planOf('web', withFloating, { ...ground, hasFloating });
    return [kept, changed].map((lines) => lines.filter((line) => line.startsWith('floating')).map((line) => line.replace(/^floating address (\S+): .*/, '$1')));
  };
  assert.deepEqual(said(() => false), [[], ['203.0.113.5', '203.0.113.6', '203.0.113.7']]);
  assert.deepEqual(said((address) => address !== '203.0.113.5'), [['203.0.113.6'], ['203.0.113.5', '203.0.113.7']]);
});

test('names what cannot be, each by what would have to be done', async () => {
  const source = await given();
  const [first] = source.interfaces;
  const [root, data] = source.disks;
  const server = (fields: Partial<SourceServer['server']>): SourceServer => ({ ...source, server: { ...source.server, ...fields } });
  const volume = (fields: object): SourceServer => ({ ...source, disks: [root as SourceServer['disks'][number], { ...data as SourceServer['disks'][number], volume: { ...data?.volume as NonNullable<SourceServer['disks'][number]['volume']>, ...fields } }] });
  const cases: readonly (readonly [string, SourceServer, Partial<PlanGround>, RegExp])[] = [
    ['paused', server({ status: 'PAUSED' }), {}, /is PAUSED: start or stop it first/],
    ['in the middle of something', server({ task: 'resize_prep' }), {}, /is at it \(resize_prep\)/],
    ['locked', server({ locked: true, lockedReason: 'ask me' }), {}, /locked \(ask me\): unlock it first/],
    ['encrypted', volume({ encrypted: true }), {}, /volume data is encrypted/],
    ['of many servers', volume({ attachments: [{ attachmentId: 'a', serverId: 's1' }, { attachmentId: 'b', serverId: 's2' }] }), {}, /attached to other servers too/],
    ['without disks', { ...source, disks: [] }, {}, /no disk that could be moved/],
    ['of no known size', { ...source, size: undefined }, {}, /flavor m1.small is gone.*map.flavors/],
    ['no default class', source, { classOf: () => undefined }, /no StorageClass is the default; name one in storageClassName/],
    ['no such class', source, { hasClass: () => false }, /there is no StorageClass ceph/],
    ['no such type', source, { spec: { ...spec, map: { flavors: { 'm1.small': 'small' } } }, hasType: () => false }, /no InstanceType small/],
    ['without the key of the Ceph of servers', source, { spec: { ...spec, ceph: { monitors: ['10.0.0.1'], serverPool: 'vms', volumeTypes: [], secret: 'ceph-key' } }, hasCephKey: false }, /disk of the image: there is no Secret ceph-key with the keys user and key/],
    ['without the key of its Ceph', source, { spec: { ...spec, ceph: { monitors: ['10.0.0.1'], secret: 'ceph-key' } }, hasCephKey: false }, /volume data: there is no Secret ceph-key with the keys user and key/],
    ['a claim of others', source, { takenClaims: (name) => name === 'moved-web-root' }, /claim moved-web-root already|PersistentVolumeClaim moved-web-root already/],
    ['no pool', source, { hasPool: () => false }, new RegExp(`no IPPool shows subnet.*map.networks.${first?.network?.name}: default`)],
  ];
  for (const [what, one, more, said] of cases) assert.match(planOf('web', one, { ...ground, ...more }).impossible.join('\n'), said, what);
});

test('tells what will be otherwise', async () => {
  const source = await given();
  const [first] = source.interfaces;
  const two: SourceServer = { ...source, size: { vcpus: 1, memoryMiB: 512, diskGiB: 1, swapMiB: 0, extraSpecs: {}, ephemeralGiB: 5 }, interfaces: [first as NonNullable<typeof first>, { ...first as NonNullable<typeof first>, floating: [] }] };
  const changed = (more: Partial<PlanGround>): string => planOf('web', two, { ...ground, ...more }).changed.join('\n');
  assert.match(changed({}), /ephemeral disk and swap[\s\S]*a machine has one interface[\s\S]*user data/);
  assert.match(changed({ hasEnforcement: false }), /security group default: a policy here, to which this cluster's network holds nobody/);
  assert.match(changed({ hasPolicy: () => false, hasKey: () => false }), /security group default: not here[\s\S]*keypair key: not here/);
  const lan = first?.network?.name ?? '';
  assert.match(changed({ spec: { ...spec, map: { networks: { [lan]: 'default' } } }, hasPool: () => false }), /another one, of the cluster's pools/);
  assert.doesNotMatch(changed({ spec: { ...spec, userData: [{ server: 'web', secret: 'hello' }] } }), /user data/);
});
