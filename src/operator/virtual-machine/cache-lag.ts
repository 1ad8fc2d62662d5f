import { keyOf, type KubeObject, type ObjectKey } from '../../kube/object.ts';

/** How long the cache may take to show what was written; as a rule it is milliseconds. */
export const CACHE_LAG_MS = 2000;

/**
 * Which objects the cache shows as they were before they were written to. What is derived from such an object is of
 * yesterday: it would be written a second time, or undo the first.
 */
export class CacheLag {
  readonly #outdated = new Map<ObjectKey, { readonly version: string | undefined; readonly at: number }>();

  /** `before` was written to and became `after`; a write that changed nothing is followed by no change of the cache. */
  wrote(before: KubeObject, after: KubeObject, nowMs: number): void {
    const version = before.metadata.resourceVersion;
    if (after.metadata.resourceVersion !== version) this.#outdated.set(keyOf(before), { version, at: nowMs });
  }

  /** Milliseconds to wait for the cache at most; 0 when the object is up to date. */
  leftMs(object: KubeObject, nowMs: number): number {
    const outdated = this.#outdated.get(keyOf(object));
    if (outdated !== undefined && outdated.version === object.metadata.resourceVersion) return Math.max(outdated.at + CACHE_LAG_MS - nowMs, 0);
    this.forget(keyOf(object));
    return 0;
  }

  forget(key: ObjectKey): void {
    this.#outdated.delete(key);
  }
}
