import { messageOf } from '../../base/errors.ts';
import type { ConditionDraft } from '../../kube/conditions.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import type { ComputeService } from '../../openstack/compute/port.ts';
import type { Server } from '../../openstack/compute/types.ts';
import { IN_SYNC, refusalOf } from './operate-power.ts';
import type { RequestedSize, SizeOutcome } from './outcome.ts';
import { refusedDraft } from './power.ts';
import { decideSize, type SizeView } from './size.ts';
import type { MapContext } from './target.ts';
import { instanceTypeThere } from './targets/flavors.ts';

export interface OperatedSize {
  readonly outcome: SizeOutcome;
  readonly condition: ConditionDraft;
  readonly notes: readonly EventNote[];
}

/** The size of a server in mode Manage: another InstanceType resizes it, and what was asked for from here is confirmed once it is done. */
export async function operateSize(compute: ComputeService, server: Server, existing: VirtualMachine | undefined, context: MapContext, signal: AbortSignal): Promise<OperatedSize> {
  const view = viewOf(server, existing, context);
  const decision = decideSize(view);
  switch (decision.kind) {
    case 'waiting': return { outcome: { instanceType: view.here, synced: view.synced, requested: decision.requested }, condition: waitingDraft(decision.requested.instanceType), notes: [] };
    case 'settled': return settled(decision, server, existing === undefined);
    case 'confirm': {
      const requested: RequestedSize = { instanceType: decision.instanceType, sinceMs: context.nowMs, confirmed: true };
      const refusal = await refusalOf(compute.act(server.id, { kind: 'confirmResize' }, signal));
      if (refusal !== undefined) return { outcome: { instanceType: view.here, synced: view.synced, requested: { ...requested, confirmed: false } }, condition: refusedDraft({ kind: 'confirmResize' }, refusal.code, messageOf(refusal)), notes: [{ type: 'Warning', reason: refusal.code, message: messageOf(refusal) }] };
      return { outcome: { instanceType: view.here, synced: decision.instanceType, requested }, condition: waitingDraft(decision.instanceType), notes: [] };
    }
    case 'resize': return resize(compute, server, decision.instanceType, view, context, signal);
  }
}

async function resize(compute: ComputeService, server: Server, instanceType: string, { synced }: SizeView, { tenant, mirroredBy, nowMs }: MapContext, signal: AbortSignal): Promise<OperatedSize> {
  const refused = (reason: string, message: string): OperatedSize => ({
    outcome: { instanceType, synced }, condition: refusedDraft({ kind: 'resize', flavorId: '' }, reason, message), notes: [{ type: 'Warning', reason, message }],
  });
  const flavorId = mirroredBy('flavors', instanceType);
  if (flavorId === undefined) return { ...refused('NotMirrored', ''), ...notMirrored(instanceType, tenant.metadata.name) };
  const refusal = await refusalOf(compute.act(server.id, { kind: 'resize', flavorId }, signal));
  if (refusal !== undefined) return refused(refusal.code, messageOf(refusal));
  return {
    outcome: { instanceType, synced: instanceType, requested: { instanceType, sinceMs: nowMs, confirmed: false } }, condition: waitingDraft(instanceType),
    notes: [{ type: 'Normal', reason: 'Requested', message: `the cloud was asked to resize the server to ${instanceType}` }],
  };
}

function notMirrored(instanceType: string, tenant: string): Pick<OperatedSize, 'condition' | 'notes'> {
  const message = `InstanceType ${instanceType} mirrors no flavor of OpenStackTenant ${tenant}: name one that does`;
  return { condition: { type: 'Synchronized', status: 'False', reason: 'NotMirrored', message }, notes: [{ type: 'Warning', reason: 'NotMirrored', message }] };
}

function settled({ instanceType, synced, taken, gaveUp }: Extract<ReturnType<typeof decideSize>, { readonly kind: 'settled' }>, { fault }: Server, isNew: boolean): OperatedSize {
  const outcome: SizeOutcome = { instanceType, synced };
  if (gaveUp !== undefined) {
    const message = `the cloud took up a resize to ${gaveUp} and did not carry it out${fault === undefined ? '' : `: ${fault.message}`}`;
    return { outcome, condition: { type: 'Synchronized', status: 'False', reason: 'NotCarriedOut', message }, notes: [{ type: 'Warning', reason: 'NotCarriedOut', message }] };
  }
  const notes: readonly EventNote[] = taken === undefined || isNew ? [] : [{ type: 'Normal', reason: 'TakenOver', message: `the server was resized to ${instanceType ?? 'a flavor that is not mirrored'} in the cloud` }];
  return { outcome, condition: IN_SYNC, notes };
}

function viewOf(server: Server, existing: VirtualMachine | undefined, context: MapContext): SizeView {
  const { syncedInstanceType, requestedInstanceType: requested } = existing?.status?.provider?.openstack ?? {};
  const sinceMs = Date.parse(requested?.time ?? '');
  return {
    server, nowMs: context.nowMs, synced: syncedInstanceType, here: existing?.spec.instanceType, there: instanceTypeThere(server, context),
    requested: requested === undefined || Number.isNaN(sinceMs) ? undefined : { instanceType: requested.instanceType, sinceMs, confirmed: requested.confirmed ?? false },
  };
}

function waitingDraft(instanceType: string): ConditionDraft {
  return { type: 'Synchronized', status: 'False', reason: 'Requested', message: `the cloud was asked to resize the server to ${instanceType}, and is at it` };
}
