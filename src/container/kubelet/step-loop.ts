import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { isSilence } from './container-starter.ts';

export interface StepSignals {
  /** Ends what may be given up in the middle, since something more urgent has come up. */
  readonly interrupt: AbortSignal;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

export interface StepLoopOptions {
  /** Milliseconds to the next step; undefined when something has to change first, 'done' when there is no other. */
  readonly step: (signals: StepSignals) => Promise<number | undefined | 'done'>;
  readonly onFailure: (error: unknown) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const RETRY = { baseMs: 1000, capMs: 10_000 };

/** Repeats a step: when it is woken, after the time that the step asks for, and later and later after failures. */
export class StepLoop {
  readonly #options: StepLoopOptions;
  #interrupt = new AbortController();
  #woken = Promise.withResolvers<void>();
  #urged = Promise.withResolvers<void>();
  #stepping = true;

  constructor(options: StepLoopOptions) {
    this.#options = options;
  }

  get isStepping(): boolean {
    return this.#stepping;
  }

  wake(): void {
    this.#woken.resolve();
  }

  /** Wakes also who waits after a failure. */
  urge(): void {
    this.#urged.resolve();
    this.#woken.resolve();
  }

  /** Gives up what is being done, as far as it can be given up. */
  interrupt(): void {
    this.#interrupt.abort(new Error('the step was interrupted'));
    this.urge();
  }

  /** Resolves when the step is done for good, or the signal aborts. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const stop = (): void => this.urge();
    signal.addEventListener('abort', stop, { once: true });
    try {
      for (let failures = 0; !signal.aborted;) {
        const failed = await this.#once(failures);
        if (failed === 'done') return;
        failures = failed ? failures + 1 : 0;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#stepping = false;
    }
  }

  /** One step and the rest after it; whether it failed. */
  async #once(failures: number): Promise<boolean | 'done'> {
    const { step, onFailure, signal } = this.#options;
    [this.#woken, this.#urged, this.#interrupt, this.#stepping] = [Promise.withResolvers(), Promise.withResolvers(), new AbortController(), true];
    try {
      const againMs = await step({ interrupt: AbortSignal.any([signal, this.#interrupt.signal]), signal });
      if (againMs === 'done') return 'done';
      await this.#rest(againMs, this.#woken.promise);
      return false;
    } catch (error) {
      onFailure(error);
      if (signal.aborted || this.#interrupt.signal.aborted) return false;
      // Who does not answer may be back at any time.
      await this.#rest(isSilence(error) ? RETRY.baseMs : backoffMs(failures + 1, RETRY), this.#urged.promise);
      return true;
    }
  }

  async #rest(ms: number | undefined, end: Promise<void>): Promise<void> {
    const { clock, signal } = this.#options;
    this.#stepping = false;
    if (signal.aborted) return;
    if (ms === undefined) return end;
    const over = new AbortController();
    await Promise.race([end, clock.sleep(ms, over.signal).catch(() => {})]);
    over.abort();
  }
}
