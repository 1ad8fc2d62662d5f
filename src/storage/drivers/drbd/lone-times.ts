import type { Clock } from '../../../base/clock.ts';
import { isConnected, type KernelState } from './kernel-state.ts';

/** Since when this node has seen no other replica of each volume. */
export class LoneTimes {
  readonly #clock: Clock;
  readonly #since = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long that has been, by what the kernel has now; 0 where another is seen, or nothing is configured. */
  see(id: string, state: KernelState | undefined): number {
    if (state === undefined || isConnected(state)) {
      this.#since.delete(id);
      return 0;
    }
    const since = this.#since.get(id) ?? this.#clock.now();
    this.#since.set(id, since);
    return this.#clock.now() - since;
  }
}
