export interface BackoffOptions {
  /** Delay after the first failure, in milliseconds. */
  readonly baseMs: number;
  /** Longest delay, in milliseconds. */
  readonly capMs: number;
  /** Share of the delay that is random, 0…1. Default 0. */
  readonly jitter?: number;
}

/** The delay after the `failures`-th failure in a row (1, 2, …): doubling from base to cap. */
export function backoffMs(failures: number, options: BackoffOptions, random: () => number = Math.random): number {
  const exponent = Math.min(Math.max(failures - 1, 0), 30);
  const delay = Math.min(options.baseMs * 2 ** exponent, options.capMs);
  return Math.round(delay * (1 - (options.jitter ?? 0) * random()));
}
