import { setTimeout as delay } from 'node:timers/promises';

const PROBE_MS = 150;

/** Resolves once whoever listens there answers HTTP, whatever it says; rejects only when the signal aborts. */
export async function servedAt(url: string, signal: AbortSignal): Promise<void> {
  while (!(await answers(url, signal))) await delay(PROBE_MS, undefined, { signal });
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    await (await fetch(url, { signal, redirect: 'manual' })).arrayBuffer();
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
