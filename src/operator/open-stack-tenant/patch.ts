import { isDeepStrictEqual } from 'node:util';
import { OPENSTACK_PREFIX } from '../../api/open-stack-names.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * The merge patch (RFC 7396) that brings an object to what is wanted; undefined where it is as wanted already. What the
 * object has beside that stays, but for parts that are `whole`: their paths, such as `spec`. Lists are compared as a whole.
 */
export function patchOf(actual: Fields, wanted: Fields, whole: ReadonlySet<string> = new Set(), path = '', inWhole = false): Fields | undefined {
  const patch: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(wanted)) {
    const now = actual[name];
    const here = path === '' ? name : `${path}.${name}`;
    if (value === undefined || isDeepStrictEqual(now, value) || (value === null && now === undefined)) continue;
    if (!isFields(value) || !isFields(now)) {
      // What is merged into something that is no object replaces it.
      patch[name] = value;
      continue;
    }
    const inner = patchOf(now, value, whole, here, inWhole || whole.has(here));
    if (inner !== undefined) patch[name] = inner;
  }
  for (const name of Object.keys(actual)) if (wanted[name] === undefined && isForeign(name, path, inWhole)) patch[name] = null;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Where a patch changes something, such as `spec.runStrategy`: for people. */
export function pathsOf(patch: Fields, prefix = ''): readonly string[] {
  return Object.entries(patch).flatMap(([name, value]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    return isFields(value) ? pathsOf(value, path) : [path];
  });
}

type Defined<T> = T extends readonly unknown[] ? T : T extends object
  ? { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> }
  : T;

/** Without fields that are undefined, as JSON would have it. */
export function defined<T>(value: T): Defined<T> {
  return (isFields(value) ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) : value) as Defined<T>;
}

/** Whether nobody but the mirror may have put it there. */
function isForeign(name: string, path: string, inWhole: boolean): boolean {
  return inWhole || ((path === 'metadata.labels' || path === 'metadata.annotations') && name.startsWith(OPENSTACK_PREFIX));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
