import type { Server } from '../../openstack/compute/types.ts';
import type { RequestedSize } from './outcome.ts';
import { PATIENCE_MS } from './power.ts';

/** What both sides say, in names of InstanceTypes, and what they said last. */
export interface SizeView {
  readonly server: Pick<Server, 'status' | 'task'>;
  readonly here: string | undefined;
  /** Undefined where nothing here mirrors the server's flavor. */
  readonly there: string | undefined;
  readonly synced: string | undefined;
  readonly requested: RequestedSize | undefined;
  readonly nowMs: number;
}

export type SizeDecision =
  | { readonly kind: 'settled'; readonly instanceType: string | undefined; readonly synced: string | undefined; readonly taken?: true; readonly gaveUp?: string }
  | { readonly kind: 'waiting'; readonly requested: RequestedSize }
  | { readonly kind: 'resize' | 'confirm'; readonly instanceType: string };

/** Who has changed the size of a server since both sides agreed, and so what is to be done. A resize of somebody else is theirs to confirm. Pure. */
export function decideSize({ server, here, there, synced, requested, nowMs }: SizeView): SizeDecision {
  const base = synced ?? there;
  if (here !== undefined && requested?.instanceType === here) {
    const isLate = nowMs - requested.sinceMs >= PATIENCE_MS;
    if (server.status === 'VERIFY_RESIZE' && there === here) return requested.confirmed && !isLate ? { kind: 'waiting', requested } : { kind: 'confirm', instanceType: here };
    if (isBusy(server) || (there !== here && !isLate)) return { kind: 'waiting', requested };
    return there === here ? { kind: 'settled', instanceType: here, synced: here } : { kind: 'settled', instanceType: there, synced: there, gaveUp: here };
  }
  if (here !== undefined && here !== base && here !== there) return { kind: 'resize', instanceType: here };
  const isTaken = there !== here && synced !== undefined && there !== synced;
  // Whoever takes a resize back while it goes on still differs from it when it is done.
  return { kind: 'settled', instanceType: there, synced: isBusy(server) && !isTaken ? base : there, ...(isTaken ? { taken: true } : {}) };
}

function isBusy({ status, task }: SizeView['server']): boolean {
  return task !== undefined || status === 'RESIZE' || status === 'REVERT_RESIZE';
}
