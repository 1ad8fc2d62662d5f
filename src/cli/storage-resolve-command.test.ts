import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicatedVolume } from '../kube/yadokari.ts';
import { decision } from './storage-resolve-command.ts';

function volume({ outdated = [], split = false }: { readonly outdated?: readonly string[]; readonly split?: boolean } = {}): ReplicatedVolume {
  return {
    apiVersion: 'yadokari.dev/v1alpha1', kind: 'ReplicatedVolume', metadata: { name: 'vol-1', resourceVersion: '7' },
    spec: { backend: 'drbd', requestedName: 'a', sizeBytes: 1, replicas: [{ node: 'n1', nodeId: 0 }, { node: 'n2', nodeId: 1 }, { node: 'n3', nodeId: 2, diskless: true }], fence: { outdated: [...outdated], epoch: 1 } },
    status: { conditions: [{ type: 'SplitBrain', status: split ? 'True' : 'False', reason: 'Any', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
  };
}

describe('a decision about a replicated volume', () => {
  it('names the node whose changes go, of the volume as it was looked at', () => {
    const { patch, message } = decision(volume({ split: true }), 'n2');
    assert.deepEqual(patch, { metadata: { resourceVersion: '7' }, spec: { discard: 'n2' } });
    assert.match(message, /goes on with what n1 has; what was written on n2 alone is given up/);
  });

  it('lets an older copy go on where the node with the newer one is lost', () => {
    assert.deepEqual(decision(volume({ outdated: ['n1'] }), 'n2').patch, { metadata: { resourceVersion: '7' }, spec: { discard: 'n2' } });
  });

  for (const [what, given, node, code] of [
    ['where nodes come to terms by themselves', {}, 'n2', 'NothingToDecide'],
    ['of a node that is copied to anyway', { outdated: ['n2'] }, 'n2', 'NothingToDecide'],
    ['of a node that has no part in it', { split: true }, 'n4', 'NotAReplica'],
    ['of a node that only votes', { split: true }, 'n3', 'NotAReplica'],
  ] as const) {
    it(`is refused ${what}`, () => {
      assert.throws(() => decision(volume(given), node), { code });
    });
  }
});
