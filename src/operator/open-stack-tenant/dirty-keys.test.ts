import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byKind, EMPTY_STATE, type InventoryDifference, type KindDifference } from '../../openstack/inventory/state.ts';
import { Dirty, markDifference, sizeOf } from './dirty-keys.ts';
import { StateIndex } from './state-index.ts';
import type { TargetName } from './target.ts';

const none: KindDifference<never> = { added: [], changed: [], removed: [] };
const NOTHING = byKind<InventoryDifference>(() => none);

function marked(difference: object, state: object = {}): Readonly<Record<string, readonly string[]>> {
  const dirty = new Dirty();
  markDifference(dirty, { ...NOTHING, ...difference }, { ...EMPTY_STATE, ...state }, new StateIndex());
  const names: readonly TargetName[] = ['flavors', 'images', 'keypairs', 'securityGroups', 'subnets', 'claims', 'volumes', 'servers'];
  return Object.fromEntries(names.map((name) => [name, [...dirty.take(name, 100).keys()]] as const).filter(([, ids]) => ids.length > 0));
}

test('what an object here shows of another kind has it looked at again', () => {
  const servers = new Map([['s1', { id: 's1', imageId: 'i1', flavor: { kind: 'reference', id: 'f1' } }], ['s2', { id: 's2', flavor: { kind: 'copy', name: 'm1.small' } }]]);
  const cases: readonly (readonly [string, object, Readonly<Record<string, readonly string[]>>])[] = [
    ['a server', { servers: { ...none, removed: [{ id: 's9' }] } }, { servers: ['s9'] }],
    ['a port of a server', { ports: { ...none, changed: [{ before: { deviceId: 's1' }, after: { deviceId: 's2' } }] } }, { servers: ['s1', 's2'] }],
    ['a port of a router', { ports: { ...none, added: [{ deviceId: 'router' }] } }, {}],
    ['a volume', { volumes: { ...none, added: [{ id: 'v1', attachments: [{ serverId: 's1' }] }] } }, { claims: ['v1'], volumes: ['v1'], servers: ['s1'] }],
    ['an image', { images: { ...none, removed: [{ id: 'i1' }] } }, { images: ['i1'], servers: ['s1'] }],
    ['a flavor', { flavors: { ...none, added: [{ id: 'f1', name: 'm1.tiny' }] } }, { flavors: ['f1'], servers: ['s1'] }],
    ['a flavor that servers know by name', { flavors: { ...none, removed: [{ id: 'f2', name: 'm1.small' }] } }, { flavors: ['f2'], servers: ['s2'] }],
    ['a network', { networks: { ...none, changed: [{ before: { id: 'n1' }, after: { id: 'n1' } }] } }, { subnets: ['sub'] }],
    ['a keypair', { keypairs: { ...none, added: [{ name: 'key' }] } }, { keypairs: ['key'] }],
    ['a server group', { serverGroups: { ...none, added: [{ id: 'g', members: ['s2'] }] } }, { servers: ['s2'] }],
  ];
  for (const [what, difference, wanted] of cases) assert.deepEqual(marked(difference, { servers, subnets: new Map([['sub', { id: 'sub', networkId: 'n1' }]]) }), wanted, what);
});

test('what changed there is not taken for a change here', () => {
  const dirty = new Dirty();
  dirty.mark('servers', 'a', 'there');
  dirty.mark('servers', 'a', 'here');
  dirty.mark('servers', 'b', 'here');
  assert.equal(dirty.count('servers', 'there'), 1);
  assert.deepEqual([...dirty.take('servers', 10)], [['a', 'there'], ['b', 'here']]);
  assert.equal(dirty.take('servers', 10).size, 0);
});

test('the name of a server is looked at with it', () => {
  const dirty = new Dirty();
  dirty.mark('servers', 'a', 'here');
  assert.deepEqual([...dirty.take('hostNames', 10)], [['a', 'there']]);
});

test('a difference is as large as the objects that differ', () => {
  assert.equal(sizeOf({ ...NOTHING, servers: { added: [{}], changed: [{ before: {}, after: {} }], removed: [{}, {}] } } as unknown as InventoryDifference), 4);
});
