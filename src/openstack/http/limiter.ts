import type { Clock } from '../../base/clock.ts';

export interface LimiterOptions {
  /** Most at once. */
  readonly atOnce: number;
  /** Most that begin in a second; as many may begin together after a rest. */
  readonly perSecond: number;
  /** Most that wait. Default 10 000. */
  readonly waiting?: number;
  readonly clock: Clock;
}

interface Waiter {
  readonly admit: () => void;
}

/** Too many wait already: whoever asks makes more than the cloud may be asked for. */
export class LimiterFullError extends Error {}

/** Lets work begin in the order in which it was asked for, so many at once and so many a second. */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #waiters: Waiter[] = [];
  #running = 0;
  #allowance: number;
  #refilledAtMs: number;
  #cancelWake: (() => void) | undefined;

  constructor(options: LimiterOptions) {
    this.#options = options;
    this.#allowance = options.perSecond;
    this.#refilledAtMs = options.clock.now();
  }

  /** Rejects with the signal's reason when it aborts before the work began. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#admitted(signal);
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#admit();
    }
  }

  #admitted(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#waiters.length >= (this.#options.waiting ?? 10_000)) return Promise.reject(new LimiterFullError(`${this.#waiters.length} requests wait already`));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = {
      admit: () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      },
    };
    const leave = (): void => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiters.push(waiter);
    this.#admit();
    return promise;
  }

  #admit(): void {
    this.#refill();
    while (this.#running < this.#options.atOnce && this.#allowance >= 1) {
      const next = this.#waiters.shift();
      if (next === undefined) return;
      this.#running += 1;
      this.#allowance -= 1;
      next.admit();
    }
    if (this.#waiters.length > 0 && this.#allowance < 1) this.#wakeLater();
  }

  #refill(): void {
    const now = this.#options.clock.now();
    this.#allowance = Math.min(this.#options.perSecond, this.#allowance + Math.max(0, now - this.#refilledAtMs) * this.#options.perSecond / 1000);
    this.#refilledAtMs = now;
  }

  #wakeLater(): void {
    if (this.#cancelWake !== undefined) return;
    const ms = Math.max(1, Math.ceil((1 - this.#allowance) * 1000 / this.#options.perSecond));
    this.#cancelWake = this.#options.clock.after(ms, () => {
      this.#cancelWake = undefined;
      this.#admit();
    });
  }
}
