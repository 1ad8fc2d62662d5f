import { keyOf, type KubeObject, type ObjectKey } from './object.ts';

/** Values under which an object is found in an index. */
export type Indexer<T> = (object: T) => readonly string[];

/** Objects by key and by index. Holds what the informer saw last. */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<ObjectKey, T>();
  readonly #indexers: Readonly<Record<string, Indexer<T>>>;
  readonly #indexes = new Map<string, Map<string, Set<ObjectKey>>>();

  constructor(indexers: Readonly<Record<string, Indexer<T>>> = {}) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  keys(): readonly ObjectKey[] {
    return [...this.#objects.keys()];
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new RangeError(`no index ${name}; there are ${Object.keys(this.#indexers).join(', ') || 'none'}`);
    return [...(index.get(value) ?? [])].map((key) => this.#objects.get(key)).filter((object) => object !== undefined);
  }

  /** Puts the object in and returns the one it replaced. */
  set(object: T): T | undefined {
    const key = keyOf(object);
    const old = this.delete(key);
    this.#objects.set(key, object);
    this.#each(object, (entries, value) => {
      const keys = entries.get(value);
      if (keys === undefined) entries.set(value, new Set([key]));
      else keys.add(key);
    });
    return old;
  }

  delete(key: ObjectKey): T | undefined {
    const old = this.#objects.get(key);
    if (old === undefined) return undefined;
    this.#objects.delete(key);
    this.#each(old, (entries, value) => {
      const keys = entries.get(value);
      keys?.delete(key);
      if (keys?.size === 0) entries.delete(value);
    });
    return old;
  }

  #each(object: T, visit: (entries: Map<string, Set<ObjectKey>>, value: string) => void): void {
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      const entries = this.#indexes.get(name);
      if (entries !== undefined) for (const value of indexer(object)) visit(entries, value);
    }
  }
}
