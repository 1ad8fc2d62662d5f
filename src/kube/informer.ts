import { backoffMs } from '../base/backoff.ts';
import { systemClock, type Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { silentLog, type Log } from '../base/log.ts';
import { isGone } from './api-error.ts';
import type { KubeClient } from './client.ts';
import { deepFreeze } from './frozen.ts';
import { keyOf, type KubeObject, type ObjectKey, type Resource } from './object.ts';
import { Store, type Indexer } from './store.ts';
import { watchEvents } from './watch.ts';

export interface InformerOptions<T> {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly indexers?: Readonly<Record<string, Indexer<T>>>;
  /** Repeats a `modified` for every object this often, in milliseconds. Default: never. */
  readonly resyncMs?: number;
  readonly log?: Log;
  readonly clock?: Clock;
}

export interface Change<T> {
  readonly type: 'added' | 'modified' | 'deleted';
  readonly object: T;
  /** What was known before; for a resync the object itself. */
  readonly old?: T;
}

const RETRY = { baseMs: 100, capMs: 5000, jitter: 0.3 };
/** Watches end after 5 to 10 minutes, as client-go's do, so that servers can balance them. */
const WATCH_SECONDS = 300;
const SHORTEST_WATCH_MS = 1000;

/**
 * Keeps a frozen copy of a collection: a paged list, then watches from its resource version, with bookmarks;
 * a list again after 410 Gone; any failure is retried for ever with a capped delay. While the API server is
 * away the last known state stays readable.
 */
export class Informer<T extends KubeObject> implements AsyncDisposable {
  readonly resource: Resource<T>;
  readonly #client: KubeClient;
  readonly #options: InformerOptions<T>;
  readonly #store: Store<T>;
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  readonly #clock: Clock;
  readonly #log: Log;
  #hasSynced = false;
  #running: Promise<void> | undefined;
  #cancelResync: () => void = () => {};

  constructor(client: KubeClient, resource: Resource<T>, options: InformerOptions<T> = {}) {
    this.resource = resource;
    this.#client = client;
    this.#options = options;
    this.#store = new Store(options.indexers);
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#synced.promise.catch(() => {});
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Begins; further calls change nothing. */
  start(): void {
    if (this.#running !== undefined || this.#stop.signal.aborted) return;
    this.#running = this.#run();
    this.#scheduleResync();
  }

  /** Resolves after the first complete list. Rejects when the signal aborts or the informer is disposed first. */
  waitForSync(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#synced.promise;
    return Promise.race([this.#synced.promise, rejection(signal)]);
  }

  get(key: ObjectKey): T | undefined {
    return this.#store.get(key);
  }

  list(): readonly T[] {
    return this.#store.list();
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.#store.byIndex(name, value);
  }

  /** Calls the listener for every change, first for what is already there. The returned function ends it. */
  onChange(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    for (const object of this.#store.list()) listener({ type: 'added', object });
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error('the informer was stopped');
    this.#stop.abort(reason);
    this.#synced.reject(reason);
    this.#cancelResync();
    this.#listeners.clear();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    let version: string | undefined;
    while (!this.#stop.signal.aborted) {
      try {
        version ??= await this.#list();
        const openedAt = this.#clock.now();
        for await (const seen of this.#watch(version)) {
          version = seen;
          failures = 0;
        }
        // A watch lasts minutes; one that ends at once would otherwise be opened again and again.
        if (this.#clock.now() - openedAt < SHORTEST_WATCH_MS) throw new Error('the watch ended at once');
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (isGone(error)) version = undefined;
        failures += 1;
        this.#log.debug({ kind: this.resource.kind, error: messageOf(error) }, 'watch ended, trying again');
        await this.#clock.sleep(backoffMs(failures, RETRY), this.#stop.signal).catch(() => {});
      }
    }
  }

  async #list(): Promise<string> {
    const list = await this.#client.listAll(this.resource, { ...this.#selection(), signal: this.#stop.signal });
    const present = new Set(list.items.map(keyOf));
    for (const key of this.#store.keys()) if (!present.has(key)) this.#remove(key);
    for (const object of list.items) this.#put(object);
    this.#hasSynced = true;
    this.#synced.resolve();
    return list.metadata.resourceVersion ?? '';
  }

  /** Yields the resource version after each event. */
  async *#watch(from: string): AsyncGenerator<string> {
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + Math.random()));
    const options = { ...this.#selection(), resourceVersion: from, timeoutSeconds, signal: this.#stop.signal };
    for await (const event of watchEvents(this.#client, this.resource, options)) {
      switch (event.type) {
        case 'ADDED':
        case 'MODIFIED':
          this.#put(event.object);
          break;
        case 'DELETED':
          this.#remove(keyOf(event.object), event.object);
          break;
        case 'BOOKMARK':
          break;
      }
      if (event.object.metadata.resourceVersion !== undefined) yield event.object.metadata.resourceVersion;
    }
  }

  #selection(): Pick<InformerOptions<T>, 'namespace' | 'labelSelector' | 'fieldSelector'> {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }

  #put(object: T): void {
    const known = this.#store.get(keyOf(object));
    if (known !== undefined && known.metadata.resourceVersion === object.metadata.resourceVersion) return;
    const frozen = deepFreeze(lean(object));
    // A different uid under the same name is another object: its predecessor was deleted unseen.
    if (known !== undefined && known.metadata.uid !== object.metadata.uid) this.#remove(keyOf(object));
    const old = this.#store.set(frozen);
    this.#emit(old === undefined ? { type: 'added', object: frozen } : { type: 'modified', object: frozen, old });
  }

  #remove(key: ObjectKey, last?: T): void {
    const old = this.#store.delete(key);
    if (old !== undefined) this.#emit({ type: 'deleted', object: deepFreeze(last === undefined ? old : lean(last)), old });
  }

  #emit(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }

  #scheduleResync(): void {
    const every = this.#options.resyncMs;
    if (every === undefined || this.#stop.signal.aborted) return;
    this.#cancelResync = this.#clock.after(every, () => {
      for (const object of this.#store.list()) this.#emit({ type: 'modified', object, old: object });
      this.#scheduleResync();
    });
  }
}

/** Who owns which field is often half of an object, and nothing that a cache is asked for. */
function lean<T extends KubeObject>(object: T): T {
  const { managedFields: _managedFields, ...metadata } = object.metadata as T['metadata'] & { readonly managedFields?: unknown };
  return { ...object, metadata };
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
