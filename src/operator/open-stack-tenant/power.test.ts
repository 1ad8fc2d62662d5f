import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Server } from '../../openstack/compute/types.ts';
import { decidePower, PATIENCE_MS, type PowerDecision, type PowerView } from './power.ts';

const server = (status: Server['status'], task?: string): Server => ({ status, ...(task === undefined ? {} : { task }) } as Server);
const view = (there: Server, fields: Partial<PowerView>): PowerView => ({ server: there, here: 'Always', synced: 'Always', requested: undefined, restart: { wanted: undefined, done: undefined }, nowMs: 1_000_000, ...fields });

const cases: readonly (readonly [string, PowerView, Partial<PowerDecision>])[] = [
  ['nothing has changed', view(server('ACTIVE'), {}), { kind: 'settled', runStrategy: 'Always', synced: 'Always' }],
  ['a new machine is as its server', view(server('SHUTOFF'), { here: undefined, synced: undefined }), { kind: 'settled', runStrategy: 'Halted', synced: 'Halted' }],
  ['a new machine of a server that is being built', view(server('BUILD'), { here: undefined, synced: undefined }), { kind: 'settled', runStrategy: 'Always' }],
  ['changed here', view(server('ACTIVE'), { here: 'Halted' }), { kind: 'act', runStrategy: 'Halted', action: { kind: 'stop' } }],
  ['started here', view(server('SHUTOFF'), { here: 'Always', synced: 'Halted' }), { kind: 'act', action: { kind: 'start' } }],
  ['started here while it is shelved', view(server('SHELVED_OFFLOADED'), { here: 'Always', synced: 'Halted' }), { kind: 'act', action: { kind: 'unshelve' } }],
  ['changed there', view(server('SHUTOFF'), {}), { kind: 'settled', runStrategy: 'Halted', synced: 'Halted', taken: true }],
  ['changed to the same on both sides', view(server('SHUTOFF'), { here: 'Halted' }), { kind: 'settled', runStrategy: 'Halted', synced: 'Halted' }],
  ['nothing is taken over while the cloud is at it', view(server('ACTIVE', 'powering-off'), {}), { kind: 'settled', runStrategy: 'Always', synced: 'Always' }],
  ['an erred server is neither', view(server('ERROR'), {}), { kind: 'settled', runStrategy: 'Always', synced: 'Always' }],
  ['the cloud has taken it up', view(server('ACTIVE'), { here: 'Halted', synced: 'Halted', requested: { runStrategy: 'Halted', sinceMs: 999_000 } }), { kind: 'waiting', runStrategy: 'Halted' }],
  ['the cloud has done it', view(server('SHUTOFF'), { here: 'Halted', synced: 'Halted', requested: { runStrategy: 'Halted', sinceMs: 999_000 } }), { kind: 'settled', runStrategy: 'Halted', synced: 'Halted' }],
  ['the cloud has not done it', view(server('ACTIVE'), { here: 'Halted', synced: 'Halted', requested: { runStrategy: 'Halted', sinceMs: 1_000_000 - PATIENCE_MS } }), { kind: 'settled', runStrategy: 'Always', gaveUp: 'Halted' }],
  ['whoever changed their mind meanwhile is heard', view(server('SHUTOFF'), { here: 'Always', synced: 'Halted', requested: { runStrategy: 'Halted', sinceMs: 999_000 } }), { kind: 'act', action: { kind: 'start' } }],
  ['a restart is asked for', view(server('ACTIVE'), { restart: { wanted: 'b', done: 'a' } }), { kind: 'restart', action: { kind: 'reboot', how: 'soft' }, token: 'b' }],
  ['a restart was carried out', view(server('ACTIVE'), { restart: { wanted: 'a', done: 'a' } }), { kind: 'settled' }],
];

for (const [what, given, wanted] of cases) {
  test(`power: ${what}`, () => {
    const decision = decidePower(given);
    assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, decision[name as keyof PowerDecision]])), wanted);
    assert.equal('taken' in decision, 'taken' in wanted);
  });
}

test('power: the side here wins where it is not known what both had last', () => {
  assert.deepEqual(decidePower(view(server('ACTIVE'), { here: 'Halted', synced: undefined })), { kind: 'act', runStrategy: 'Halted', action: { kind: 'stop' } });
});
