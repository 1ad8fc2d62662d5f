import { backoffMs, type BackoffOptions } from '../base/backoff.ts';
import { systemClock, type Clock } from '../base/clock.ts';

export interface QueueOptions {
  /** Delay of retries. Default 5 ms doubling to 60 s. */
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
}

interface Delayed {
  readonly at: number;
  readonly cancel: () => void;
}

/**
 * A work queue with client-go's semantics: a key is in it at most once; a key that is added while it is being
 * worked on is handed out again afterwards, never twice at the same time; failures come back later and later.
 */
export class WorkQueue<K> {
  readonly #clock: Clock;
  readonly #backoff: BackoffOptions;
  readonly #ready: K[] = [];
  readonly #dirty = new Set<K>();
  readonly #active = new Set<K>();
  readonly #delayed = new Map<K, Delayed>();
  readonly #failures = new Map<K, number>();
  readonly #waiters: ((key: K | undefined) => void)[] = [];
  readonly #addedAt = new Map<K, number>();
  #closed = false;

  constructor(options: QueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? { baseMs: 5, capMs: 60_000 };
  }

  /** Keys that wait, without those that are delayed or being worked on. */
  get length(): number {
    return this.#ready.length;
  }

  add(key: K): void {
    if (this.#closed) return;
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
    if (this.#dirty.has(key)) return;
    this.#dirty.add(key);
    this.#addedAt.set(key, this.#clock.now());
    if (!this.#active.has(key)) this.#offer(key);
  }

  /** Adds the key after `ms`; of several the earliest wins. */
  addAfter(key: K, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) return this.add(key);
    const at = this.#clock.now() + ms;
    const known = this.#delayed.get(key);
    if (known !== undefined && known.at <= at) return;
    known?.cancel();
    this.#delayed.set(key, { at, cancel: this.#clock.after(ms, () => this.add(key)) });
  }

  /** Adds the key after a delay that grows with every call until `forget`; returns the delay in milliseconds. */
  addRateLimited(key: K): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delay = backoffMs(failures, this.#backoff);
    this.addAfter(key, delay);
    return delay;
  }

  /** Ends the key's series of failures. */
  forget(key: K): void {
    this.#failures.delete(key);
  }

  /** The next key, or undefined once the queue is closed. Call `done` with it afterwards. */
  take(): Promise<K | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const key = this.#ready.shift();
    if (key === undefined) return new Promise((resolve) => this.#waiters.push(resolve));
    this.#begin(key);
    return Promise.resolve(key);
  }

  done(key: K): void {
    this.#active.delete(key);
    if (this.#dirty.has(key) && !this.#closed) this.#offer(key);
  }

  /** How long the key waited, in milliseconds; asked once, right after `take`. */
  waited(key: K): number {
    const since = this.#addedAt.get(key);
    this.#addedAt.delete(key);
    return since === undefined ? 0 : this.#clock.now() - since;
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const waiter of this.#waiters.splice(0)) waiter(undefined);
  }

  #offer(key: K): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) return void this.#ready.push(key);
    this.#begin(key);
    waiter(key);
  }

  #begin(key: K): void {
    this.#dirty.delete(key);
    this.#active.add(key);
  }
}
