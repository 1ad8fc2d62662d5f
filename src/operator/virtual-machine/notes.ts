import type { VirtualMachineStatus } from '../../api/virtual-machine-status.ts';
import { conditionOf } from '../../kube/conditions.ts';
import type { EventNote } from '../../kube/event-recorder.ts';

const PROBLEMS = new Set(['ErrorUnschedulable', 'ErrorPvcNotFound', 'ErrImagePull', 'ErrorNotFound', 'ErrorAddress', 'ErrorGuest', 'CrashLoopBackOff', 'Unknown']);

/** What is worth telling about the step from one status to the next. Pure, so that nothing is told twice. */
export function notesOf(before: VirtualMachineStatus | undefined, after: VirtualMachineStatus): readonly EventNote[] {
  const notes: EventNote[] = [];
  const ready = conditionOf(after.conditions, 'Ready');
  if (after.node !== undefined && (before?.node !== after.node || before?.anchor !== after.anchor)) {
    notes.push({ type: 'Normal', reason: 'Scheduled', message: `placed on node ${after.node} (anchor ${after.anchor ?? ''})` });
  }
  const status = after.printableStatus ?? 'Unknown';
  if (PROBLEMS.has(status) && (before?.printableStatus !== status || conditionOf(before?.conditions, 'Ready')?.message !== ready?.message)) {
    notes.push({ type: 'Warning', reason: status === 'CrashLoopBackOff' ? 'BackOff' : (ready?.reason ?? status), message: ready?.message ?? status });
  }
  if (after.ready === true && before?.ready !== true) notes.push({ type: 'Normal', reason: 'Ready', message: `ready at ${after.address ?? 'no address'}` });
  if (after.completed === true && before?.completed !== true) notes.push({ type: 'Normal', reason: 'Completed', message: ready?.message ?? 'the guest has ended' });
  const restart = conditionOf(after.conditions, 'RestartRequired');
  if (restart !== undefined && conditionOf(before?.conditions, 'RestartRequired') === undefined) {
    notes.push({ type: 'Warning', reason: 'RestartRequired', message: restart.message ?? '' });
  }
  return notes;
}
