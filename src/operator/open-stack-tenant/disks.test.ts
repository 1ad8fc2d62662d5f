import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideDisks, type DisksDecision, type DisksView } from './disks.ts';
import type { RequestedVolume } from './outcome.ts';
import { PATIENCE_MS } from './power.ts';

const NOW = 1_000_000;
const there = (...ids: readonly string[]): DisksView['there'] => ids.map((id) => ({ id, claim: `claim-${id}` }));
const here = (...ids: readonly string[]): DisksView['here'] => ids.map((id) => ({ disk: { name: `disk-${id}`, persistentVolumeClaim: `claim-${id}` }, volume: id }));
const foreign: DisksView['here'][number] = { disk: { name: 'mine', persistentVolumeClaim: 'local' }, volume: undefined };
const asked = (id: string, attached: boolean, sinceMs = NOW - 1000): RequestedVolume => ({ id, attached, sinceMs });
const attach = (id: string) => ({ kind: 'attach', id, claim: `claim-${id}` });
const detach = (id: string) => ({ kind: 'detach', id, claim: `claim-${id}` });

const NOTHING = { synced: ['a'], changes: [], waiting: [], gaveUp: [], taken: [], unknown: [] };
const cases: readonly (readonly [string, Partial<DisksView>, object])[] = [
  ['nothing has changed', {}, { disks: ['claim-a'] }],
  ['added here', { here: here('a', 'b') }, { disks: ['claim-a', 'claim-b'], changes: [attach('b')] }],
  ['taken out here', { here: [] }, { disks: [], changes: [detach('a')] }],
  ['one for another', { here: here('b') }, { disks: ['claim-b'], changes: [attach('b'), detach('a')] }],
  ['attached there', { there: there('a', 'b') }, { disks: ['claim-a', 'claim-b'], synced: ['a', 'b'], taken: [{ id: 'b', attached: true }] }],
  ['detached there', { there: [] }, { disks: [], synced: [], taken: [{ id: 'a', attached: false }] }],
  ['the same on both sides', { here: here('a', 'b'), there: there('a', 'b') }, { disks: ['claim-a', 'claim-b'], synced: ['a', 'b'] }],
  ['each has changed another', { here: [], there: there('a', 'b') }, { disks: ['claim-b'], synced: ['a', 'b'], changes: [detach('a')], taken: [{ id: 'b', attached: true }] }],
  ['it is not known what both had: nothing is detached', { here: [], synced: undefined }, { disks: ['claim-a'] }],
  ['it is not known what both had: what is written here is attached', { here: here('a', 'b'), synced: undefined }, { disks: ['claim-a', 'claim-b'], changes: [attach('b')] }],
  ['the cloud is at attaching', { here: here('a', 'b'), synced: ['a', 'b'], requested: [asked('b', true)] }, { disks: ['claim-a', 'claim-b'], synced: ['a', 'b'], waiting: [asked('b', true)] }],
  ['the cloud has attached it', { here: here('a', 'b'), there: there('a', 'b'), synced: ['a', 'b'], requested: [asked('b', true)] }, { disks: ['claim-a', 'claim-b'], synced: ['a', 'b'] }],
  ['the cloud has not attached it', { here: here('a', 'b'), synced: ['a', 'b'], requested: [asked('b', true, NOW - PATIENCE_MS)] }, { disks: ['claim-a'], gaveUp: [asked('b', true, NOW - PATIENCE_MS)] }],
  ['the cloud is at detaching', { here: [], synced: [], requested: [asked('a', false)] }, { disks: [], synced: [], waiting: [asked('a', false)] }],
  ['the cloud has detached it', { here: [], there: [], synced: [], requested: [asked('a', false)] }, { disks: [], synced: [] }],
  ['the cloud has not detached it', { here: [], synced: [], requested: [asked('a', false, NOW - PATIENCE_MS)] }, { disks: ['claim-a'], gaveUp: [asked('a', false, NOW - PATIENCE_MS)] }],
  ['wanted again while it is detached', { synced: [], requested: [asked('a', false)] }, { disks: ['claim-a'], synced: [], waiting: [asked('a', false)] }],
  ['wanted again, and detached', { there: [], synced: [], requested: [] }, { disks: ['claim-a'], synced: [], changes: [attach('a')] }],
  ['no longer wanted while it is attached', { here: [], there: [], synced: ['a'], requested: [asked('a', true)] }, { disks: [], synced: ['a'], waiting: [asked('a', true)] }],
  ['a claim that mirrors nothing', { here: [...here('a'), foreign] }, { disks: ['claim-a', 'local'], unknown: ['local'] }],
  ['nothing is detached as long as a claim mirrors nothing', { here: [foreign] }, { disks: ['local'], unknown: ['local'] }],
  ['a claim that is written twice', { here: [...here('a'), ...here('a')] }, { disks: ['claim-a'] }],
];

for (const [what, given, wanted] of cases) {
  test(`disks: ${what}`, () => {
    const { disks, ...decision } = decideDisks({ there: there('a'), here: here('a'), synced: ['a'], requested: [], nowMs: NOW, ...given });
    assert.deepEqual({ ...decision, disks: disks.map(({ persistentVolumeClaim }) => persistentVolumeClaim) }, { ...NOTHING, ...wanted });
  });
}

test('disks: those that are written here keep their names and their order, and others have names of their own', () => {
  const ids = ['0c1d2e3f-aaaa', '0c1d2e3f-bbbb'];
  const { disks }: DisksDecision = decideDisks({ there: there(...ids, 'a'), here: here('a'), synced: [], requested: [], nowMs: NOW });
  assert.deepEqual(disks.map(({ name }) => name).slice(0, 2), ['disk-a', 'vol-0c1d2e3f']);
  assert.match(disks[2]?.name ?? '', /^vol-[0-9a-f]{16}$/);
});
