import { messageOf } from '../../base/errors.ts';
import type { ConditionDraft } from '../../kube/conditions.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import type { ComputeService } from '../../openstack/compute/port.ts';
import type { Server } from '../../openstack/compute/types.ts';
import { attachedVolumes, disksThere, type AttachedVolume } from './attached-volumes.ts';
import { decideDisks, type DiskChange, type DisksDecision, type DisksView } from './disks.ts';
import { IN_SYNC, refusalOf } from './operate-power.ts';
import type { DisksOutcome, RequestedVolume } from './outcome.ts';
import { isObserved, type MapContext } from './target.ts';

export interface OperatedDisks {
  readonly outcome: DisksOutcome;
  readonly condition: ConditionDraft;
  readonly notes: readonly EventNote[];
}

/** The volumes of a server in mode Manage: what was added here is attached, and what was taken out is detached. */
export async function operateDisks(compute: ComputeService, server: Server, existing: VirtualMachine | undefined, context: MapContext, signal: AbortSignal): Promise<OperatedDisks> {
  if (existing === undefined || !isObserved(context.tenant.spec.volumes)) return { outcome: disksThere(server, context), condition: IN_SYNC, notes: [] };
  const decision = decideDisks(viewOf(server, existing, context));
  const [synced, requested, notes] = [new Set(decision.synced), [...decision.waiting], notesOf(decision)];
  const refusals: ConditionDraft[] = decision.unknown.length === 0 ? [] : [unknownDraft(decision.unknown, context)];
  for (const { kind, id, claim } of decision.changes) {
    const refusal = await refusalOf(kind === 'attach' ? compute.attachVolume(server.id, { volumeId: id }, signal) : compute.detachVolume(server.id, id, signal));
    if (refusal === undefined) {
      if (kind === 'attach') synced.add(id);
      else synced.delete(id);
      requested.push({ id, attached: kind === 'attach', sinceMs: context.nowMs });
      notes.push({ type: 'Normal', reason: 'Requested', message: `the cloud was asked to ${kind} volume ${id} (claim ${claim})` });
    } else {
      refusals.push(refusedDraft(kind, claim, refusal.code, messageOf(refusal)));
      notes.push({ type: 'Warning', reason: refusal.code, message: messageOf(refusal) });
    }
  }
  return { outcome: { disks: decision.disks, synced: [...synced].sort(), requested }, condition: conditionOf(decision, refusals, requested), notes };
}

/** What is written here, with the volumes that the claims mirror. */
function disksHere({ spec: { disks = [] } }: VirtualMachine, there: readonly AttachedVolume[], { state, mirroredBy }: MapContext): DisksView['here'] {
  return disks.map(({ name, persistentVolumeClaim: claim = '' }) => {
    // What was made a moment ago may not be in the cache yet.
    const volume = there.find((one) => one.claim === claim)?.id ?? mirroredBy('claims', claim);
    return { disk: { name, persistentVolumeClaim: claim }, volume: volume === undefined || !state.volumes.has(volume) ? undefined : volume };
  });
}

function viewOf(server: Server, existing: VirtualMachine, context: MapContext): DisksView {
  const { syncedVolumes, requestedVolumes = [] } = existing.status?.provider?.openstack ?? {};
  const there = attachedVolumes(server, context);
  return {
    there, here: disksHere(existing, there, context), synced: syncedVolumes, nowMs: context.nowMs,
    requested: requestedVolumes.flatMap(({ id, attached, time }) => (Number.isNaN(Date.parse(time)) ? [] : [{ id, attached, sinceMs: Date.parse(time) }])),
  };
}

function conditionOf({ gaveUp }: DisksDecision, refusals: readonly ConditionDraft[], requested: readonly RequestedVolume[]): ConditionDraft {
  const [refusal] = refusals;
  if (refusal !== undefined) return { ...refusal, message: refusals.map(({ message }) => message).join('; ') };
  if (requested.length > 0) return { type: 'Synchronized', status: 'False', reason: 'Requested', message: `the cloud was asked to ${requested.map(({ id, attached }) => `${verbOf(attached)} volume ${id}`).join(' and ')}, and is at it` };
  return gaveUp.length > 0 ? gaveUpDraft(gaveUp) : IN_SYNC;
}

function notesOf({ taken, gaveUp }: DisksDecision): EventNote[] {
  return [
    ...gaveUp.length === 0 ? [] : [{ type: 'Warning' as const, reason: 'NotCarriedOut', message: gaveUpDraft(gaveUp).message }],
    ...taken.map(({ id, attached }): EventNote => ({ type: 'Normal', reason: 'TakenOver', message: `volume ${id} was ${attached ? 'attached' : 'detached'} in the cloud` })),
  ];
}

function unknownDraft(claims: readonly string[], { tenant }: MapContext): ConditionDraft {
  const one = claims.length === 1;
  return { type: 'Synchronized', status: 'False', reason: 'NotMirrored', message: `PersistentVolumeClaim ${claims.join(', ')} mirror${one ? 's' : ''} no volume of OpenStackTenant ${tenant.metadata.name}: a server has ${one ? 'a claim' : 'claims'} that ${one ? 'does' : 'do'}, and nothing is detached meanwhile` };
}

function refusedDraft(kind: DiskChange['kind'], claim: string, reason: string, message: string): ConditionDraft {
  return { type: 'Synchronized', status: 'False', reason, message: `the cloud refuses to ${kind} the volume of claim ${claim}: ${message}` };
}

function gaveUpDraft(gaveUp: readonly RequestedVolume[]): ConditionDraft {
  return { type: 'Synchronized', status: 'False', reason: 'NotCarriedOut', message: `the cloud took it up to ${gaveUp.map(({ id, attached }) => `${verbOf(attached)} volume ${id}`).join(' and ')}, and did not carry it out` };
}

function verbOf(attached: boolean): DiskChange['kind'] {
  return attached ? 'attach' : 'detach';
}
