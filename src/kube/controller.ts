import { systemClock, type Clock } from '../base/clock.ts';
import { dispositionOf, messageOf } from '../base/errors.ts';
import type { BackoffOptions } from '../base/backoff.ts';
import type { Log } from '../base/log.ts';
import { isConflict } from './api-error.ts';
import type { Change, Informer } from './informer.ts';
import { controllerOf, keyFor, keyOf, type KubeObject, type ObjectKey } from './object.ts';
import { WorkQueue } from './queue.ts';

/** What a reconcile wants next: nothing until something changes, or another look after a while. */
export interface Result {
  readonly requeueAfterMs?: number;
}

export type Reconcile = (key: ObjectKey, signal: AbortSignal) => Promise<Result | void>;

export interface ControllerMetrics {
  depth(controller: string, length: number): void;
  waited(controller: string, ms: number): void;
  reconciled(controller: string, ms: number, result: 'ok' | 'requeue' | 'error'): void;
}

export interface ControllerOptions {
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly log: Log;
  /** Keys worked on at the same time. Default 4. */
  readonly concurrency?: number;
  readonly backoff?: BackoffOptions;
  /** A reconcile is aborted after this long. Default 120 000. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly metrics?: ControllerMetrics;
}

/** Whether more changed than the status; the generation tells, where the kind has a status of its own. */
export function isMoreThanStatus({ type, object, old }: Change<KubeObject>): boolean {
  return type !== 'modified' || old === undefined || old.metadata.uid !== object.metadata.uid || old.metadata.generation !== object.metadata.generation;
}

/**
 * Calls `reconcile` with the key of every object that may need work: level-based, one call a key at a time,
 * with a growing delay after failures (controller-runtime's contract). What a reconcile throws is logged and
 * retried; `wait` and `stalled` errors are no failures of ours and are logged quietly.
 */
export class Controller {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue<ObjectKey>;
  readonly #clock: Clock;
  readonly #informers = new Set<Informer<KubeObject>>();
  readonly #subscriptions: (() => void)[] = [];
  readonly #stop = new AbortController();

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#queue = new WorkQueue({ clock: this.#clock, ...(options.backoff === undefined ? {} : { backoff: options.backoff }) });
  }

  /** Reconciles the objects of this informer by their own key. */
  watch<T extends KubeObject>(informer: Informer<T>): this {
    return this.watchMapped(informer, (object) => [keyOf(object)]);
  }

  /** Reconciles the controlling owner of the given kind of what changes. */
  watchOwned<T extends KubeObject>(informer: Informer<T>, ownerKind: string): this {
    return this.watchMapped(informer, (object) => {
      const owner = controllerOf(object);
      return owner?.kind === ownerKind ? [keyFor(object.metadata.namespace, owner.name)] : [];
    });
  }

  /** Reconciles the keys that `map` finds, for the object as it is and as it was, at changes that count. */
  watchMapped<T extends KubeObject>(informer: Informer<T>, map: (object: T) => readonly ObjectKey[], counts: (change: Change<T>) => boolean = () => true): this {
    this.#informers.add(informer as unknown as Informer<KubeObject>);
    return this.watchMappedLoosely(informer, map, counts);
  }

  /** The same, without waiting until the collection is known: one that may never be is not to hold up the rest. */
  watchMappedLoosely<T extends KubeObject>(informer: Informer<T>, map: (object: T) => readonly ObjectKey[], counts: (change: Change<T>) => boolean = () => true): this {
    const enqueue = (change: Change<T>): void => {
      if (!counts(change)) return;
      const old = change.old === undefined || change.old === change.object ? [] : map(change.old);
      for (const key of new Set([...map(change.object), ...old])) this.enqueue(key);
    };
    this.#subscriptions.push(informer.onChange(enqueue));
    return this;
  }

  enqueue(key: ObjectKey): void {
    this.#queue.add(key);
    this.#options.metrics?.depth(this.name, this.#queue.length);
  }

  /** Waits until the watched collections are known, then works until the signal aborts and what is running has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const end = (): void => {
      this.#stop.abort(signal.reason);
      this.#queue.close();
    };
    if (signal.aborted) return end();
    signal.addEventListener('abort', end, { once: true });
    try {
      await Promise.all([...this.#informers].map((informer) => informer.waitForSync(signal)));
      await Promise.all(Array.from({ length: this.#options.concurrency ?? 4 }, () => this.#work()));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const unsubscribe of this.#subscriptions) unsubscribe();
    }
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      this.#options.metrics?.waited(this.name, this.#queue.waited(key));
      await this.#reconcile(key);
      this.#queue.done(key);
    }
  }

  async #reconcile(key: ObjectKey): Promise<void> {
    const started = this.#clock.now();
    const observe = (result: 'ok' | 'requeue' | 'error'): void => this.#options.metrics?.reconciled(this.name, this.#clock.now() - started, result);
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.timeoutMs ?? 120_000)]);
    try {
      const result = await this.#options.reconcile(key, signal);
      this.#queue.forget(key);
      if (result?.requeueAfterMs !== undefined) this.#queue.addAfter(key, result.requeueAfterMs);
      observe(result?.requeueAfterMs === undefined ? 'ok' : 'requeue');
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      observe('error');
      this.#retry(key, error);
    }
  }

  #retry(key: ObjectKey, error: unknown): void {
    const delayMs = this.#queue.addRateLimited(key);
    const expected = isConflict(error) || dispositionOf(error) === 'wait' || dispositionOf(error) === 'stalled';
    this.#options.log[expected ? 'debug' : 'warn']({ controller: this.name, key, error: messageOf(error), delayMs }, 'reconcile failed, will be repeated');
  }
}
