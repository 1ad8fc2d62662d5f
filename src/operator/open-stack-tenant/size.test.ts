import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Server } from '../../openstack/compute/types.ts';
import { PATIENCE_MS } from './power.ts';
import { decideSize, type SizeDecision, type SizeView } from './size.ts';

const NOW = 1_000_000;
const server = (status: Server['status'], task?: string): SizeView['server'] => ({ status, ...(task === undefined ? {} : { task }) });
const view = (fields: Partial<SizeView>): SizeView => ({ server: server('ACTIVE'), here: 'small', there: 'small', synced: 'small', requested: undefined, nowMs: NOW, ...fields });
const asked = (sinceMs = NOW - 1000, confirmed = false) => ({ instanceType: 'large', sinceMs, confirmed });

const cases: readonly (readonly [string, SizeView, SizeDecision])[] = [
  ['nothing has changed', view({}), { kind: 'settled', instanceType: 'small', synced: 'small' }],
  ['a new machine is as its server', view({ here: undefined, synced: undefined }), { kind: 'settled', instanceType: 'small', synced: 'small' }],
  ['a machine of an earlier release takes up what its server is', view({ here: undefined, synced: undefined, there: 'large' }), { kind: 'settled', instanceType: 'large', synced: 'large' }],
  ['changed here', view({ here: 'large' }), { kind: 'resize', instanceType: 'large' }],
  ['changed there', view({ there: 'large' }), { kind: 'settled', instanceType: 'large', synced: 'large', taken: true }],
  ['changed to the same on both sides', view({ here: 'large', there: 'large' }), { kind: 'settled', instanceType: 'large', synced: 'large' }],
  ['taken out here', view({ here: undefined }), { kind: 'settled', instanceType: 'small', synced: 'small' }],
  ['of a flavor that nothing mirrors', view({ there: undefined }), { kind: 'settled', instanceType: undefined, synced: undefined, taken: true }],
  ['changed here from a flavor that nothing mirrors', view({ here: 'large', there: undefined, synced: undefined }), { kind: 'resize', instanceType: 'large' }],
  ['the cloud has taken it up', view({ here: 'large', synced: 'large', requested: asked() }), { kind: 'waiting', requested: asked() }],
  ['the cloud is at it for long', view({ here: 'large', synced: 'large', server: server('RESIZE', 'resize_migrating'), requested: asked(0) }), { kind: 'waiting', requested: asked(0) }],
  ['the cloud has done it and asks whether to keep it', view({ here: 'large', there: 'large', synced: 'large', server: server('VERIFY_RESIZE'), requested: asked() }), { kind: 'confirm', instanceType: 'large' }],
  ['the cloud was asked to keep it', view({ here: 'large', there: 'large', synced: 'large', server: server('VERIFY_RESIZE'), requested: asked(NOW - 1000, true) }), { kind: 'waiting', requested: asked(NOW - 1000, true) }],
  ['the cloud was asked to keep it long ago', view({ here: 'large', there: 'large', synced: 'large', server: server('VERIFY_RESIZE'), requested: asked(NOW - PATIENCE_MS, true) }), { kind: 'confirm', instanceType: 'large' }],
  ['done', view({ here: 'large', there: 'large', synced: 'large', requested: asked(NOW - 1000, true) }), { kind: 'settled', instanceType: 'large', synced: 'large' }],
  ['the cloud has not done it', view({ here: 'large', synced: 'large', requested: asked(NOW - PATIENCE_MS) }), { kind: 'settled', instanceType: 'small', synced: 'small', gaveUp: 'large' }],
  ['a resize of somebody else is theirs to confirm', view({ there: 'large', server: server('VERIFY_RESIZE') }), { kind: 'settled', instanceType: 'large', synced: 'large', taken: true }],
  ['taken back while it goes on', view({ here: 'small', synced: 'large', server: server('RESIZE', 'resize_migrating'), requested: asked() }), { kind: 'settled', instanceType: 'small', synced: 'large' }],
  ['taken back, and done', view({ here: 'small', there: 'large', synced: 'large' }), { kind: 'resize', instanceType: 'small' }],
];

for (const [what, given, wanted] of cases) test(`size: ${what}`, () => assert.deepEqual(decideSize(given), wanted));
