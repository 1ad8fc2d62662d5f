import type { KubeObject } from '../../kube/object.ts';

/** How long the cache may take to show what was written; as a rule it is milliseconds. */
const LAG_MS = 2000;

interface Last {
  readonly name: string;
  readonly version: string | undefined;
  readonly atMs: number;
}

/**
 * What was written last of each object, also of those that were made, until the cache shows it: what is derived from an
 * older state would be written a second time, or undo the first.
 */
export class Written {
  readonly #last = new Map<string, Last>();

  wrote(key: string, { metadata: { name, resourceVersion } }: KubeObject, nowMs: number): void {
    this.#last.set(key, { name, version: resourceVersion, atMs: nowMs });
  }

  /** Milliseconds to wait for the cache at most; 0 when it shows what was written, or something newer. */
  leftMs(key: string, cached: KubeObject | undefined, nowMs: number): number {
    const last = this.#last.get(key);
    if (last === undefined) return 0;
    const leftMs = last.atMs + LAG_MS - nowMs;
    if (leftMs > 0 && !isAtLeast(cached?.metadata.resourceVersion, last.version)) return leftMs;
    this.#last.delete(key);
    return 0;
  }

  nameOf(key: string): string | undefined {
    return this.#last.get(key)?.name;
  }

  forget(key: string): void {
    this.#last.delete(key);
  }
}

/** Versions of one object grow: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
export function isAtLeast(cached: string | undefined, written: string | undefined): boolean {
  if (cached === undefined || written === undefined) return false;
  if (!/^\d+$/.test(cached) || !/^\d+$/.test(written)) return cached === written;
  return BigInt(cached) >= BigInt(written);
}
