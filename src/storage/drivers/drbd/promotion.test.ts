import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicatedVolumeStatus } from '../../../api/replicated-volume.ts';
import { OPEN_FENCE, readmit, shutOut } from './fence.ts';
import type { KernelState } from './kernel-state.ts';
import { promotionOf, type PromotionSituation } from './promotion.ts';

const connected: KernelState = { minor: 0, connection: 'Connected', role: 'Secondary', peerRole: 'Secondary', disk: 'UpToDate', peerDisk: 'UpToDate', suspended: false, outOfSyncBytes: 0 };
const alone: KernelState = { ...connected, connection: 'WFConnection', peerRole: 'Unknown', peerDisk: 'DUnknown', disk: 'Consistent' };
const spec = { backend: 'drbd', requestedName: 'a', sizeBytes: 1, replicas: [{ node: 'n1', nodeId: 0 }, { node: 'n2', nodeId: 1 }], fence: OPEN_FENCE };
const out = (...outdated: string[]) => ({ spec: { ...spec, fence: { outdated, epoch: 1 } } });
const writing: { readonly status: ReplicatedVolumeStatus } = { status: { replicas: [{ node: 'n2', role: 'Primary' }] } };

describe('a node that is to write to a replicated volume', () => {
  for (const [what, given, kind, why] of [
    ['may, with the other in sight', { state: connected }, 'promote', ''],
    ['has done so already', { state: { ...connected, role: 'Primary' } }, 'done', ''],
    ['may not any more, once another was let do so', { state: { ...alone, role: 'Primary', disk: 'Diskless' }, ...out('n1') }, 'refuse', 'another node was let write'],
    ['waits while it is not decided who writes', { state: { ...alone, role: 'Primary', suspended: true } }, 'wait', 'decided'],
    ['may not beside another that does', { state: { ...connected, peerRole: 'Primary' } }, 'refuse', 'n2 writes to it'],
    ['waits for the kernel', { state: undefined }, 'wait', 'not up yet'],
    ['waits for the other after a start', { state: alone, aloneMs: 1000 }, 'wait', 'n2 is not to be reached yet'],
    ['shuts the other out once that has not come', { state: alone, aloneMs: 6000 }, 'fence', ''],
    ['gives one that writes time to do the same', { state: alone, aloneMs: 6000, ...writing }, 'wait', 'n2'],
    ['does so in the end', { state: alone, aloneMs: 13_000, ...writing }, 'fence', ''],
    ['may where the other is shut out', { state: alone, ...out('n2') }, 'promote', ''],
    ['may not where it is shut out itself', { state: alone, aloneMs: 60_000, ...out('n1') }, 'refuse', '"discard":"n2"'],
    ['waits for what it lacks', { state: { ...connected, connection: 'SyncTarget', disk: 'Inconsistent', syncedPercent: 30 }, ...out('n1') }, 'wait', '30 %'],
    ['may not where its kernel knows that it lacks something', { state: { ...alone, disk: 'Outdated' }, aloneMs: 60_000 }, 'refuse', 'Outdated'],
    ['may not without a disk', { state: { ...connected, disk: 'Diskless' } }, 'refuse', 'failed'],
    ['may not where both have changed what they had', { state: { ...alone, connection: 'StandAlone' }, splitBrain: true }, 'refuse', '"discard":"n1"'],
  ] as const satisfies readonly (readonly [string, Partial<PromotionSituation>, string, string])[]) {
    it(what, () => {
      const promotion = promotionOf({ id: 'vol-1', node: 'n1', spec, status: undefined, splitBrain: false, aloneMs: 0, ...given });
      assert.equal(promotion.kind, kind, JSON.stringify(promotion));
      if ('why' in promotion) assert.ok(promotion.why.includes(why), promotion.why);
    });
  }
});

describe('who is shut out of a replicated volume', () => {
  it('is so by whoever comes first', () => {
    const first = shutOut(OPEN_FENCE, 'n1', ['n2'], 0);
    assert.deepEqual(first, { outdated: ['n2'], by: 'n1', time: '1970-01-01T00:00:00Z', epoch: 1 });
    assert.equal(shutOut(first ?? OPEN_FENCE, 'n2', ['n1'], 0), undefined);
    // Counted again, so that nobody who has read the former state changes it.
    assert.equal(shutOut(first ?? OPEN_FENCE, 'n1', ['n2'], 0)?.epoch, 2);
  });

  it('is let in again by others alone', () => {
    const fence = { outdated: ['n2'], by: 'n1', epoch: 3 };
    assert.equal(readmit(fence, 'n2', 'n2'), undefined);
    assert.deepEqual(readmit(fence, 'n1', 'n2'), { outdated: [], epoch: 4 });
    assert.equal(readmit(OPEN_FENCE, 'n1', 'n2'), undefined);
  });
});
