import type { Clock } from '../../../base/clock.ts';

/** Keeps what is tried again and again from being tried all the time. */
export class Paces {
  readonly #clock: Clock;
  readonly #last = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the last time is long enough ago; then this is the last time. */
  due(key: string, everyMs: number): boolean {
    const now = this.#clock.now();
    if (now - (this.#last.get(key) ?? -Infinity) < everyMs) return false;
    this.#last.set(key, now);
    return true;
  }
}
