import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ANNOTATION_REQUESTED_STATE, ANNOTATION_RESTARTED_AT, API_VERSION } from '../../api/group.ts';
import type { GuestStatus } from '../../api/guest-status.ts';
import type { VirtualMachineStatus } from '../../api/virtual-machine-status.ts';
import type { VirtualMachineSpec } from '../../api/virtual-machine.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { Pod } from '../../kube/core.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { judge, type RunRecord, type Verdict } from './verdict.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
type Strategy = NonNullable<VirtualMachineSpec['runStrategy']>;

interface Given {
  readonly strategy?: Strategy;
  readonly status?: VirtualMachineStatus;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deleted?: boolean;
}

function machine({ strategy = 'Always', status, annotations = {}, deleted = false }: Given): VirtualMachine {
  return {
    apiVersion: API_VERSION, kind: 'VirtualMachine',
    metadata: { name: 'web', uid: 'u1', annotations, ...(deleted ? { deletionTimestamp: timestamp(NOW) } : {}) },
    spec: { runStrategy: strategy, memory: '1Gi' }, ...(status === undefined ? {} : { status }),
  };
}

function anchor(name: string, deleting = false): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...(deleting ? { deletionTimestamp: timestamp(NOW) } : {}) }, spec: { containers: [] } };
}

/** A guest of anchor `a1` that ended after `ranSeconds`. */
function ended(reason: 'Shutdown' | 'Crashed' | 'Requested' | 'Failed', ranSeconds: number): GuestStatus {
  return {
    phase: reason === 'Failed' ? 'Failed' : 'Stopped', reason: reason === 'Failed' ? 'HypervisorError' : reason, anchor: 'a1', anchorUID: 'x', node: 'n1',
    startedAt: timestamp(NOW - ranSeconds * 1000), stoppedAt: timestamp(NOW),
  };
}

/** The action in a word, with the anchors to stop or the seconds to wait. */
function wordOf({ action }: Verdict): string {
  if (action.kind === 'stop') return `stop ${action.anchors.map(({ metadata }) => metadata.name).join(' ')}`;
  return action.kind === 'keep' && action.againMs !== undefined ? `wait ${action.againMs / 1000}` : action.kind;
}

describe('whether a machine runs', () => {
  const table: readonly (readonly [what: string, given: Given, anchors: readonly Pod[], action: string])[] = [
    ['Always without an anchor', {}, [], 'start'],
    ['Always with an anchor', {}, [anchor('a1')], 'keep'],
    ['Always while the last anchor is still going', {}, [anchor('a1', true)], 'keep'],
    ['two anchors: only the first may stay', {}, [anchor('a1'), anchor('a2')], 'stop a2'],
    ['Halted without an anchor', { strategy: 'Halted' }, [], 'keep'],
    ['Halted with an anchor', { strategy: 'Halted' }, [anchor('a1')], 'stop a1'],
    ['Manual that nobody asked for', { strategy: 'Manual' }, [], 'keep'],
    ['Manual that was asked to run', { strategy: 'Manual', annotations: { [ANNOTATION_REQUESTED_STATE]: 'Running' } }, [], 'start'],
    ['Manual that was asked to stop', { strategy: 'Manual', annotations: { [ANNOTATION_REQUESTED_STATE]: 'Stopped' } }, [anchor('a1')], 'stop a1'],
    ['Once before its first run', { strategy: 'Once' }, [], 'start'],
    ['Once that is completed', { strategy: 'Once', status: { completed: true } }, [], 'keep'],
    ['RerunOnFailure that is completed', { strategy: 'RerunOnFailure', status: { completed: true } }, [], 'keep'],
    ['deleted with an anchor', { deleted: true }, [anchor('a1')], 'stop a1'],
    ['deleted without an anchor', { deleted: true }, [], 'keep'],
    ['a restart that was not carried out yet', { annotations: { [ANNOTATION_RESTARTED_AT]: '1' } }, [anchor('a1')], 'stop a1'],
    ['a restart that was carried out', { annotations: { [ANNOTATION_RESTARTED_AT]: '1' }, status: { restartedAt: '1' } }, [anchor('a2')], 'keep'],
    ['a restart request that came with the machine: written down before the first start', { annotations: { [ANNOTATION_RESTARTED_AT]: '1' } }, [], 'keep'],
    ['a delay that is not over', { status: { nextStart: timestamp(NOW + 7000) } }, [], 'wait 7'],
    ['a delay that is over', { status: { nextStart: timestamp(NOW - 1000) } }, [], 'start'],
  ];
  for (const [what, given, anchors, action] of table) it(`${what}: ${action}`, () => assert.equal(wordOf(judge(machine(given), anchors, NOW)), action));
});

describe('what follows the end of a guest', () => {
  const table: readonly (readonly [strategy: Strategy, guest: GuestStatus, before: VirtualMachineStatus, record: RunRecord])[] = [
    ['Always', ended('Shutdown', 60), {}, { restarts: 1, failures: 0, nextStart: timestamp(NOW), endedAnchor: 'a1' }],
    ['Always', ended('Shutdown', 3), {}, { restarts: 1, failures: 1, nextStart: timestamp(NOW), endedAnchor: 'a1' }],
    ['Always', ended('Crashed', 60), {}, { restarts: 1, failures: 1, nextStart: timestamp(NOW), endedAnchor: 'a1' }],
    ['Always', ended('Crashed', 60), { restarts: 1, failures: 1 }, { restarts: 2, failures: 2, nextStart: timestamp(NOW + 10_000), endedAnchor: 'a1' }],
    ['Always', ended('Crashed', 60), { restarts: 2, failures: 2 }, { restarts: 3, failures: 3, nextStart: timestamp(NOW + 20_000), endedAnchor: 'a1' }],
    ['Always', ended('Crashed', 60), { restarts: 30, failures: 30 }, { restarts: 31, failures: 31, nextStart: timestamp(NOW + 300_000), endedAnchor: 'a1' }],
    ['Always', ended('Crashed', 700), { restarts: 9, failures: 9 }, { restarts: 10, failures: 1, nextStart: timestamp(NOW), endedAnchor: 'a1' }],
    ['Always', ended('Failed', 0), { failures: 1 }, { restarts: 1, failures: 2, nextStart: timestamp(NOW + 10_000), endedAnchor: 'a1' }],
    ['Once', ended('Crashed', 60), {}, { completed: true, endedAnchor: 'a1' }],
    ['RerunOnFailure', ended('Shutdown', 60), {}, { completed: true, endedAnchor: 'a1' }],
    ['RerunOnFailure', ended('Crashed', 60), {}, { restarts: 1, failures: 1, nextStart: timestamp(NOW), endedAnchor: 'a1' }],
    ['Always', ended('Requested', 60), {}, {}],
    ['Always', ended('Crashed', 60), { endedAnchor: 'a1', failures: 1 }, { endedAnchor: 'a1', failures: 1 }],
  ];
  for (const [strategy, guest, before, record] of table) {
    it(`${strategy}, ${guest.reason} after ${(NOW - Date.parse(guest.startedAt ?? '')) / 1000} s, failures ${before.failures ?? 0}${before.endedAnchor === undefined ? '' : ', counted already'}`, () => {
      assert.deepEqual(judge(machine({ strategy, status: { ...before, guest } }), [], NOW).record, record);
    });
  }

  it('stops the anchor of a guest that ended by itself', () => {
    assert.equal(wordOf(judge(machine({ status: { guest: ended('Crashed', 60) } }), [anchor('a1')], NOW)), 'stop a1');
  });

  it('is nothing to the next anchor', () => {
    assert.equal(wordOf(judge(machine({ status: { guest: ended('Crashed', 60) } }), [anchor('a2')], NOW)), 'keep');
  });

  it('is forgotten by a restart, which starts a completed machine again without delay', () => {
    const verdict = judge(machine({ strategy: 'Once', annotations: { [ANNOTATION_RESTARTED_AT]: '2' }, status: { completed: true, failures: 4, nextStart: timestamp(NOW + 60_000), endedAnchor: 'a1', guest: ended('Crashed', 60) } }), [], NOW);
    assert.deepEqual(verdict.record, { endedAnchor: 'a1', restartedAt: '2' });
    assert.equal(wordOf(judge(machine({ strategy: 'Once', annotations: { [ANNOTATION_RESTARTED_AT]: '2' }, status: { ...verdict.record, guest: ended('Crashed', 60) } }), [], NOW)), 'start');
  });

  it('is forgotten by Halted', () => {
    assert.deepEqual(judge(machine({ strategy: 'Halted', status: { completed: true, failures: 3, nextStart: timestamp(NOW), restarts: 5 } }), [], NOW).record, { restarts: 5 });
  });
});
