import { isDeepStrictEqual } from 'node:util';
import type { KindDifference } from './state.ts';

export interface Compared<T> {
  /** As `after`, with the objects of `before` where they are equal; `before` itself where all are. */
  readonly merged: ReadonlyMap<string, T>;
  readonly difference: KindDifference<T>;
}

const NONE: KindDifference<never> = Object.freeze({ added: Object.freeze([]), changed: Object.freeze([]), removed: Object.freeze([]) });

export function compared<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Compared<T> {
  if (before === after) return { merged: before, difference: NONE };
  const merged = new Map<string, T>();
  const [added, changed]: [T[], { readonly before: T; readonly after: T }[]] = [[], []];
  for (const [id, object] of after) {
    const old = before.get(id);
    const same = old !== undefined && (old === object || isDeepStrictEqual(old, object));
    merged.set(id, same ? old : object);
    if (old === undefined) added.push(object);
    else if (!same) changed.push(Object.freeze({ before: old, after: object }));
  }
  const removed = [...before].flatMap(([id, object]) => (after.has(id) ? [] : [object]));
  if (added.length + changed.length + removed.length === 0) return { merged: before, difference: NONE };
  return { merged, difference: Object.freeze({ added: Object.freeze(added), changed: Object.freeze(changed), removed: Object.freeze(removed) }) };
}
