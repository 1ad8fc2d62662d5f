import type { GuestState } from '../../port.ts';

/** virDomainState of libvirt-domain.h. */
const domainState = { running: 1, blocked: 2, paused: 3, shutdown: 4, shutoff: 5, crashed: 6, suspended: 7 } as const;

/** Reasons of a pause that is no pause to a person: libvirt stops the processors itself for a moment. */
const momentary = new Set([2, 3, 4, 8, 9, 11]);

const stopReasons: Readonly<Record<number, Extract<GuestState, { phase: 'stopped' }>['reason']>> = {
  1: 'shutdown',
  2: 'destroyed',
  3: 'crashed',
  6: 'failed',
  // The daemon ended a guest that it could not take over again after its own restart.
  8: 'crashed',
};

export function isRunning(state: number): boolean {
  return state !== domainState.shutoff && state !== domainState.crashed && state !== 0;
}

/** What the port says of a domain that does not run. */
export function stoppedState(state: number, reason: number): GuestState {
  if (state === domainState.crashed) return { phase: 'stopped', reason: 'crashed' };
  return { phase: 'stopped', reason: stopReasons[reason] ?? 'unknown' };
}

/** What the port says of a domain that runs; `xml` is its live description. */
export function runningState(state: number, reason: number, xml: string): GuestState {
  const paused = state === domainState.suspended || (state === domainState.paused && !momentary.has(reason));
  const startedAt = /<yadokari:guest [^>]*startedAt=['"](\d+)['"]/.exec(xml)?.[1];
  const agentConnected = /<target [^>]*name='org\.qemu\.guest_agent\.0'[^>]*state='connected'/.test(xml);
  return { phase: 'running', paused, agentConnected, ...(startedAt === undefined ? {} : { startedAt: Number(startedAt) }) };
}
