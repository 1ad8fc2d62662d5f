import { ANNOTATION_REQUESTED_STATE, ANNOTATION_RESTARTED_AT } from '../../api/group.ts';
import type { GuestStatus } from '../../api/guest-status.ts';
import type { VirtualMachineStatus } from '../../api/virtual-machine-status.ts';
import { backoffMs } from '../../base/backoff.ts';
import type { Pod } from '../../kube/core.ts';
import { isDeleting } from '../../kube/object.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';

/** What is remembered of past runs, in the status. */
export type RunRecord = Pick<VirtualMachineStatus, 'restarts' | 'failures' | 'nextStart' | 'endedAnchor' | 'restartedAt' | 'completed'>;

export interface Verdict {
  /** `keep`: all is as it should be, or something is under way. */
  readonly action:
    | { readonly kind: 'start' }
    | { readonly kind: 'stop'; readonly anchors: readonly Pod[] }
    | { readonly kind: 'keep'; readonly againMs?: number };
  readonly record: RunRecord;
}

/** After the second failure in a row 10 s, then doubling to 5 minutes, as the kubelet does with containers. */
const RESTART = { baseMs: 10_000, capMs: 300_000 };
/** A run longer than this ends a series of failures. */
const GOOD_RUN_MS = 600_000;
/** A guest that powers off sooner than this counts as failed. */
const SHORT_RUN_MS = 10_000;

/** Decides what to do with a machine, from what is known now. Pure. */
export function judge(vm: VirtualMachine, anchors: readonly Pod[], nowMs: number): Verdict {
  const live = anchors.filter((anchor) => !isDeleting(anchor));
  const current = live[0];
  const ended = endOf(vm.status?.guest, current, vm.status);
  const record = recordOf(vm, ended, current !== undefined, nowMs);
  if (current !== undefined) {
    if (!wanted(vm, record) || ended !== undefined || restartRequested(vm)) return { action: { kind: 'stop', anchors: live }, record };
    return live.length > 1 ? { action: { kind: 'stop', anchors: live.slice(1) }, record } : { action: { kind: 'keep' }, record };
  }
  // A request that comes with the machine is written down first, or the anchor would be made and at once restarted.
  if (anchors.length > 0 || !wanted(vm, record) || restartRequested(vm)) return { action: { kind: 'keep' }, record };
  const waitMs = record.nextStart === undefined ? 0 : Date.parse(record.nextStart) - nowMs;
  return { action: waitMs > 0 ? { kind: 'keep', againMs: waitMs } : { kind: 'start' }, record };
}

function wanted(vm: VirtualMachine, record: RunRecord): boolean {
  if (isDeleting(vm)) return false;
  const strategy = vm.spec.runStrategy ?? 'Always';
  switch (strategy) {
    case 'Always':
      return true;
    case 'Halted':
      return false;
    case 'Manual':
      return vm.metadata.annotations?.[ANNOTATION_REQUESTED_STATE] === 'Running';
    case 'RerunOnFailure':
    case 'Once':
      return record.completed !== true;
  }
}

function restartRequested(vm: VirtualMachine): boolean {
  const asked = vm.metadata.annotations?.[ANNOTATION_RESTARTED_AT];
  return asked !== undefined && asked !== vm.status?.restartedAt;
}

/** The guest's end by itself, if it is one that has not been counted yet. */
function endOf(guest: GuestStatus | undefined, current: Pod | undefined, status: VirtualMachineStatus | undefined): GuestStatus | undefined {
  if (guest === undefined || (guest.phase !== 'Stopped' && guest.phase !== 'Failed')) return undefined;
  if (guest.reason === 'Requested' || (current !== undefined && guest.anchor !== current.metadata.name)) return undefined;
  return guest.anchor === status?.endedAnchor ? undefined : guest;
}

function recordOf(vm: VirtualMachine, ended: GuestStatus | undefined, running: boolean, nowMs: number): RunRecord {
  const { restarts, failures, nextStart, endedAnchor, restartedAt, completed } = vm.status ?? {};
  const before: RunRecord = {
    ...(restarts === undefined ? {} : { restarts }),
    ...(failures === undefined ? {} : { failures }),
    ...(nextStart === undefined ? {} : { nextStart }),
    ...(endedAnchor === undefined ? {} : { endedAnchor }),
    ...(restartedAt === undefined ? {} : { restartedAt }),
    ...(completed === undefined ? {} : { completed }),
  };
  const asked = vm.metadata.annotations?.[ANNOTATION_RESTARTED_AT];
  if (restartRequested(vm) && asked !== undefined) {
    const { failures: _failures, nextStart: _next, completed: _completed, ...kept } = before;
    return { ...kept, restartedAt: asked, ...(running && ended !== undefined ? { endedAnchor: ended.anchor } : {}) };
  }
  if (vm.spec.runStrategy === 'Halted') {
    const { failures: _failures, nextStart: _next, completed: _completed, ...kept } = before;
    return kept;
  }
  return ended === undefined ? before : countEnd(vm, before, ended, nowMs);
}

function countEnd(vm: VirtualMachine, before: RunRecord, ended: GuestStatus, nowMs: number): RunRecord {
  const strategy = vm.spec.runStrategy ?? 'Always';
  const ranMs = ended.startedAt === undefined ? 0 : Date.parse(ended.stoppedAt ?? timestamp(nowMs)) - Date.parse(ended.startedAt);
  const poweredOff = ended.phase === 'Stopped' && ended.reason === 'Shutdown';
  const counted = { ...before, endedAnchor: ended.anchor };
  if (strategy === 'Once' || (strategy === 'RerunOnFailure' && poweredOff)) return { ...counted, completed: true };
  const restarts = (before.restarts ?? 0) + 1;
  if (poweredOff && ranMs >= SHORT_RUN_MS) return { ...counted, restarts, failures: 0, nextStart: timestamp(nowMs) };
  const failures = (ranMs > GOOD_RUN_MS ? 0 : (before.failures ?? 0)) + 1;
  const delayMs = failures === 1 ? 0 : backoffMs(failures - 1, RESTART);
  return { ...counted, restarts, failures, nextStart: timestamp(nowMs + delayMs) };
}
