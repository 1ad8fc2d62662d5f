import type { ConditionDraft } from '../../kube/conditions.ts';
import type { ServerAction } from '../../openstack/compute/port.ts';
import type { Server } from '../../openstack/compute/types.ts';
import { powerOf, type Power } from './server-words.ts';

/** How long the cloud may take to do what it has taken up. */
export const PATIENCE_MS = 120_000;

/** What both sides say, and what they said last. */
export interface PowerView {
  readonly server: Server;
  /** What is written here; undefined for a machine that is not there yet. */
  readonly here: Power | undefined;
  /** What both had last. */
  readonly synced: Power | undefined;
  readonly requested: { readonly runStrategy: Power; readonly sinceMs: number } | undefined;
  /** The restart that was asked for last, and the last one that was carried out or refused. */
  readonly restart: { readonly wanted: string | undefined; readonly done: string | undefined };
  readonly nowMs: number;
}

export type PowerDecision =
  /** Nothing to be done; this is what both have now. */
  | { readonly kind: 'settled'; readonly runStrategy: Power; readonly synced: Power | undefined; readonly taken?: true; readonly gaveUp?: Power }
  /** The cloud is at it. */
  | { readonly kind: 'waiting'; readonly runStrategy: Power }
  /** What was changed here is carried out there. */
  | { readonly kind: 'act'; readonly runStrategy: Power; readonly action: ServerAction }
  | { readonly kind: 'restart'; readonly runStrategy: Power; readonly action: ServerAction; readonly token: string };

/**
 * Who has changed the power of a server since both sides agreed, and so what is to be done. Of two words both sides can
 * only have changed to the same one. Pure.
 */
export function decidePower(view: PowerView): PowerDecision {
  const { server, here, synced, requested, restart, nowMs } = view;
  const there = powerOf(server);
  if (here === undefined) return { kind: 'settled', runStrategy: there ?? 'Always', synced: there };
  const base = synced ?? there;
  if (requested !== undefined && requested.runStrategy === here && there !== here) {
    if (there === undefined || nowMs - requested.sinceMs < PATIENCE_MS) return { kind: 'waiting', runStrategy: here };
    return { kind: 'settled', runStrategy: there, synced: there, gaveUp: here };
  }
  if (base !== undefined && here !== base && here !== there) {
    return { kind: 'act', runStrategy: here, action: actionFor(here, server) };
  }
  if (there !== undefined && there !== here) return { kind: 'settled', runStrategy: there, synced: there, taken: true };
  if (restart.wanted !== undefined && restart.wanted !== restart.done) return { kind: 'restart', runStrategy: here, action: { kind: 'reboot', how: 'soft' }, token: restart.wanted };
  return { kind: 'settled', runStrategy: here, synced: there ?? synced };
}

/** What a machine says of the change that was asked for last. */
export function refusedDraft(action: ServerAction, reason: string, message: string): ConditionDraft {
  return { type: 'Synchronized', status: 'False', reason, message: `the cloud refuses to ${action.kind} the server: ${message}` };
}

function actionFor(power: Power, { status }: Server): ServerAction {
  if (power === 'Halted') return { kind: 'stop' };
  return { kind: status === 'SHELVED' || status === 'SHELVED_OFFLOADED' ? 'unshelve' : 'start' };
}
