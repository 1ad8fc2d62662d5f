import { backoffMs } from '../../base/backoff.ts';

const BACKOFF = { baseMs: 10_000, capMs: 300_000 };
/** Who has run for this long is no crash loop any more. */
const FORGET_MS = 2 * BACKOFF.capMs;

interface Entry {
  readonly restarts: number;
  readonly atMs: number;
}

/** How long to wait before a container is started again: not at all the first time, then 10 s doubling to 5 min. */
export class CrashBackoff {
  readonly #entries = new Map<string, Entry>();
  readonly #ends = new Map<string, { readonly toldMs: number; readonly atMs: number }>();

  /** Takes on what somebody else has counted before. */
  seed(key: string, restarts: number, atMs: number): void {
    if (restarts > 0 && !this.#entries.has(key)) this.#entries.set(key, { restarts, atMs });
  }

  /** When a container that ended at `toldMs`, as its node has it, may be started again, and the delay; undefined: at once. */
  delayOf(key: string, toldMs: number, nowMs: number): { readonly untilMs: number; readonly delayMs: number } | undefined {
    const entry = this.#entries.get(key);
    const endedAtMs = this.#endOf(key, toldMs, nowMs);
    if (entry === undefined || endedAtMs - entry.atMs > FORGET_MS) return undefined;
    const delayMs = backoffMs(entry.restarts, BACKOFF);
    return { untilMs: endedAtMs + delayMs, delayMs };
  }

  /** Counts a start after an end. */
  count(key: string, toldMs: number, nowMs: number): void {
    const entry = this.#entries.get(key);
    const endedAtMs = this.#endOf(key, toldMs, nowMs);
    const goesOn = entry !== undefined && endedAtMs - entry.atMs <= FORGET_MS;
    this.#entries.set(key, { restarts: goesOn ? entry.restarts + 1 : 1, atMs: nowMs });
  }

  /** A guest's clock may be ahead of ours: what has ended has done so when it was first heard of, at the latest. */
  #endOf(key: string, toldMs: number, nowMs: number): number {
    const known = this.#ends.get(key);
    if (known?.toldMs === toldMs) return known.atMs;
    const atMs = Math.min(toldMs, nowMs);
    this.#ends.set(key, { toldMs, atMs });
    return atMs;
  }
}

/** `5m0s`, `40s`: as Go writes it. */
export function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
