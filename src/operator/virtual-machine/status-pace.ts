import { isDeepStrictEqual } from 'node:util';
import type { VirtualMachineStatus } from '../../api/virtual-machine-status.ts';
import type { ObjectKey } from '../../kube/object.ts';
import type { RunRecord } from './verdict.ts';

type OperatorStatus = Omit<VirtualMachineStatus, 'guest'>;

/** A start passes through several states within a second; only where it gets is worth a write. */
const PASSING_MS = 1000;
/** What nobody waits for, such as the guest agent's connection. */
const CALM_MS = 5000;
const IN_PASSING = new Set(['Stopped', 'Starting', 'Provisioning', 'Running', 'Stopping', 'Terminating']);

/** How long a changed status may wait for further changes, in milliseconds. Pure. */
export function paceOf(before: OperatorStatus, after: OperatorStatus): number {
  if ((before.ready ?? false) !== (after.ready ?? false)) return 0;
  if (!isDeepStrictEqual(recordOf(before), recordOf(after))) return 0;
  if (!IN_PASSING.has(after.printableStatus ?? '')) return 0;
  // What a start is for; people and programs wait for it.
  if (after.printableStatus === 'Running' && before.printableStatus !== 'Running') return 0;
  const visible = (status: OperatorStatus): unknown => [status.printableStatus, status.node, status.anchor, status.address, status.home, status.observedGeneration];
  return isDeepStrictEqual(visible(before), visible(after)) ? CALM_MS : PASSING_MS;
}

function recordOf({ restarts, failures, nextStart, endedAnchor, restartedAt, completed }: OperatorStatus): RunRecord {
  return JSON.parse(JSON.stringify({ restarts, failures, nextStart, endedAnchor, restartedAt, completed })) as RunRecord;
}

/** Since when each object's status has been waiting to be written. */
export class StatusPace {
  readonly #since = new Map<ObjectKey, number>();

  /** Milliseconds until the status should be written; 0: now. */
  left(key: ObjectKey, before: OperatorStatus, after: OperatorStatus, nowMs: number): number {
    const since = this.#since.get(key) ?? nowMs;
    const leftMs = since + paceOf(before, after) - nowMs;
    if (leftMs <= 0) this.#since.delete(key);
    else this.#since.set(key, since);
    return Math.max(leftMs, 0);
  }

  forget(key: ObjectKey): void {
    this.#since.delete(key);
  }
}
