import { conditionOf, type ConditionDraft } from '../../kube/conditions.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import type { ComputeService } from '../../openstack/compute/port.ts';
import type { Server } from '../../openstack/compute/types.ts';
import { operateDisks, type OperatedDisks } from './operate-disks.ts';
import { IN_SYNC, LASTING, operatePower, powerHere } from './operate-power.ts';
import { operateSize, type OperatedSize } from './operate-size.ts';
import type { DisksOutcome, ServerOutcome, SizeOutcome } from './outcome.ts';
import type { MapContext } from './target.ts';

export interface Operated {
  readonly outcome: ServerOutcome;
  readonly notes: readonly EventNote[];
  /** The cloud is at what it was asked for: it is worth another look soon. */
  readonly isPending: boolean;
  /** The cloud has refused something, which is tried again with the next sync. */
  readonly isRefused: boolean;
}

/** Mode Manage: power, size and volumes of a server, one after the other, since a server that is on its way to one of them takes no other change. */
export async function operate(compute: ComputeService, server: Server, existing: VirtualMachine | undefined, context: MapContext, signal: AbortSignal): Promise<Operated> {
  const power = await operatePower(compute, server, existing, context.nowMs, signal);
  const size = power.again === 'soon' && existing !== undefined ? restOfSize(existing) : await operateSize(compute, server, existing, context, signal);
  const disks = (power.again === 'soon' || size.condition.reason === 'Requested') && existing !== undefined ? restOfDisks(existing) : await operateDisks(compute, server, existing, context, signal);
  const drafts = [power.outcome.condition, size.condition, disks.condition];
  return {
    outcome: { ...power.outcome, size: size.outcome, disks: disks.outcome, condition: summaryOf(drafts) },
    notes: [...power.notes, ...size.notes, ...disks.notes],
    isPending: power.again === 'soon' || size.condition.reason === 'Requested' || (disks.outcome.requested ?? []).length > 0,
    isRefused: power.again === 'later' || [size, disks].some(({ condition }) => rankOf(condition) === 0),
  };
}

/** A change that the cloud has refused since its last sync is what the machine still says. */
export function heldBack(machine: VirtualMachine): Operated {
  const { spec, status } = machine;
  const { synced } = status?.provider?.openstack ?? {};
  const { reason = 'Refused', message = '' } = conditionOf(status?.conditions, 'Synchronized') ?? {};
  const condition: ConditionDraft = { type: 'Synchronized', status: 'False', reason, message };
  return {
    outcome: { runStrategy: powerHere(spec), synced, restartedAt: status?.restartedAt, condition, size: sizeHere(machine), disks: disksHere(machine) },
    notes: [], isPending: false, isRefused: true,
  };
}

function restOfSize(machine: VirtualMachine): OperatedSize {
  return { outcome: sizeHere(machine), condition: IN_SYNC, notes: [] };
}

function restOfDisks(machine: VirtualMachine): OperatedDisks {
  return { outcome: disksHere(machine), condition: IN_SYNC, notes: [] };
}

function sizeHere({ spec, status }: VirtualMachine): SizeOutcome {
  const { syncedInstanceType: synced, requestedInstanceType: requested } = status?.provider?.openstack ?? {};
  return { instanceType: spec.instanceType, synced, requested: requested === undefined ? undefined : { instanceType: requested.instanceType, sinceMs: Date.parse(requested.time), confirmed: requested.confirmed ?? false } };
}

function disksHere({ spec: { disks = [] }, status }: VirtualMachine): DisksOutcome {
  const { syncedVolumes: synced, requestedVolumes = [] } = status?.provider?.openstack ?? {};
  return { disks: disks.map(({ name, persistentVolumeClaim = '' }) => ({ name, persistentVolumeClaim })), synced, requested: requestedVolumes.map(({ id, attached, time }) => ({ id, attached, sinceMs: Date.parse(time) })) };
}

/** What is refused comes first, then what goes on, then what is said until something else is asked for. */
function summaryOf(drafts: readonly ConditionDraft[]): ConditionDraft {
  const first = Math.min(...drafts.map(rankOf));
  const told = drafts.filter((draft) => rankOf(draft) === first);
  const [draft = IN_SYNC] = told;
  return { ...draft, message: [...new Set(told.map(({ message }) => message))].join('; ') };
}

function rankOf({ status, reason }: ConditionDraft): number {
  if (status === 'True') return 3;
  return reason === 'Requested' ? 1 : LASTING.has(reason) ? 2 : 0;
}
