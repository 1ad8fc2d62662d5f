import { ANNOTATION_RESTARTED_AT } from '../../api/group.ts';
import { messageOf, YadoError } from '../../base/errors.ts';
import { conditionOf, type ConditionDraft } from '../../kube/conditions.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import type { ComputeService } from '../../openstack/compute/port.ts';
import type { Server } from '../../openstack/compute/types.ts';
import type { PowerOutcome } from './outcome.ts';
import { decidePower, refusedDraft, type PowerDecision, type PowerView } from './power.ts';
import type { Power } from './server-words.ts';

export interface OperatedPower {
  readonly outcome: PowerOutcome;
  readonly notes: readonly EventNote[];
  /** The cloud has not done yet what it was asked for, or has refused it: it is worth another look soon, or with the next sync. */
  readonly again?: 'soon' | 'later';
}

export const IN_SYNC: ConditionDraft = { type: 'Synchronized', status: 'True', reason: 'InSync', message: 'the server is as this machine says' };
/** Said until something else is asked for. */
export const LASTING: ReadonlySet<string> = new Set(['RestartRefused', 'NotCarriedOut']);

/** The power of a server in mode Manage: what was changed here since both sides agreed is carried out there; what OpenStack refuses is said. */
export async function operatePower(compute: ComputeService, server: Server, existing: VirtualMachine | undefined, nowMs: number, signal: AbortSignal): Promise<OperatedPower> {
  const decision = decidePower(viewOf(server, existing, nowMs));
  const before = existing?.status;
  const { synced } = before?.provider?.openstack ?? {};
  switch (decision.kind) {
    case 'settled': return settled(decision, existing);
    case 'waiting': {
      const requested = { runStrategy: decision.runStrategy, sinceMs: viewOf(server, existing, nowMs).requested?.sinceMs ?? nowMs };
      return { outcome: { runStrategy: decision.runStrategy, synced, requested, restartedAt: before?.restartedAt, condition: waitingDraft(decision.runStrategy) }, notes: [], again: 'soon' };
    }
    case 'act': {
      const { runStrategy, action } = decision;
      const refusal = await refusalOf(compute.act(server.id, action, signal));
      if (refusal !== undefined) {
        return { outcome: { runStrategy, synced, restartedAt: before?.restartedAt, condition: refusedDraft(action, refusal.code, messageOf(refusal)) }, notes: [{ type: 'Warning', reason: refusal.code, message: messageOf(refusal) }], again: 'later' };
      }
      const outcome: PowerOutcome = { runStrategy, synced: runStrategy, requested: { runStrategy, sinceMs: nowMs }, restartedAt: before?.restartedAt, condition: waitingDraft(runStrategy) };
      return { outcome, notes: [{ type: 'Normal', reason: 'Requested', message: `the cloud was asked to ${action.kind} the server` }], again: 'soon' };
    }
    case 'restart': {
      const { runStrategy, action, token } = decision;
      const refusal = await refusalOf(compute.act(server.id, action, signal));
      // A refused one is not tried again: it would restart the server at a time that nobody expects.
      const condition: ConditionDraft = refusal === undefined ? IN_SYNC : { ...refusedDraft(action, 'RestartRefused', messageOf(refusal)) };
      const note: EventNote = refusal === undefined ? { type: 'Normal', reason: 'Requested', message: 'the cloud was asked to reboot the server' } : { type: 'Warning', reason: 'RestartRefused', message: messageOf(refusal) };
      return { outcome: { runStrategy, synced, restartedAt: token, condition }, notes: [note], ...(refusal === undefined ? { again: 'soon' as const } : {}) };
    }
  }
}

/** Of a machine with a provider there are no others. */
export function powerHere({ runStrategy }: VirtualMachine['spec']): Power {
  return runStrategy === 'Halted' ? 'Halted' : 'Always';
}

function viewOf(server: Server, existing: VirtualMachine | undefined, nowMs: number): PowerView {
  const { synced, requested } = existing?.status?.provider?.openstack ?? {};
  const since = requested === undefined ? NaN : Date.parse(requested.time);
  return {
    server, nowMs, synced,
    here: existing === undefined ? undefined : powerHere(existing.spec),
    requested: requested === undefined || Number.isNaN(since) ? undefined : { runStrategy: requested.runStrategy, sinceMs: since },
    restart: { wanted: existing?.metadata.annotations?.[ANNOTATION_RESTARTED_AT], done: existing?.status?.restartedAt },
  };
}

function settled({ runStrategy, synced, taken, gaveUp }: PowerDecision & { readonly kind: 'settled' }, existing: VirtualMachine | undefined): OperatedPower {
  const outcome = (condition: ConditionDraft): PowerOutcome => ({ runStrategy, synced, restartedAt: existing?.status?.restartedAt, condition });
  if (gaveUp !== undefined) {
    const message = `the cloud took up a change to ${gaveUp} and did not carry it out: the server is ${runStrategy}`;
    return { outcome: outcome({ type: 'Synchronized', status: 'False', reason: 'NotCarriedOut', message }), notes: [{ type: 'Warning', reason: 'NotCarriedOut', message }] };
  }
  const known = conditionOf(existing?.status?.conditions, 'Synchronized');
  const lasts = taken === undefined && known?.status === 'False' && LASTING.has(known.reason ?? '');
  const condition: ConditionDraft = lasts ? { type: 'Synchronized', status: 'False', reason: known.reason ?? '', message: known.message ?? '' } : IN_SYNC;
  return { outcome: outcome(condition), notes: taken === undefined ? [] : [{ type: 'Normal', reason: 'TakenOver', message: `the server was changed to ${runStrategy} in the cloud` }] };
}

function waitingDraft(runStrategy: Power): ConditionDraft {
  return { type: 'Synchronized', status: 'False', reason: 'Requested', message: `the cloud was asked to ${runStrategy === 'Always' ? 'start' : 'stop'} the server, and is at it` };
}

/** Why the cloud does not do it; undefined where it does. */
export async function refusalOf(call: Promise<unknown>): Promise<YadoError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof YadoError) return error;
    throw error;
  }
}
