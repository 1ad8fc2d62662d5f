import { YadoError } from '../../base/errors.ts';
import { hasCode } from '../errors.ts';
import type { Page } from '../page.ts';
import type { Cloud } from '../port.ts';
import { SOURCES, type ListedKind, type Source } from './sources.ts';
import type { Inventoried } from './state.ts';

/** There is more of a kind than an inventory holds. */
export class InventoryTooLargeError extends YadoError {
  constructor(kind: string, most: number) {
    super('InventoryTooLarge', `the project has more than ${most} ${kind}: raise the limit, or split the project`, { disposition: 'stalled' });
  }
}

/** What was listed, or that the cloud has no such thing. */
export type Listing<T> = { readonly kind: 'listed'; readonly objects: ReadonlyMap<string, T>; readonly dateMs: number } | { readonly kind: 'missing' };

/** `dateMs` of a listing is that of its first page: what changed after that may be in it or not. */
export async function gathered<T>(name: string, pages: AsyncIterable<Page<T>>, idOf: (object: T) => string, most: number): Promise<Listing<T> & { readonly kind: 'listed' }> {
  const objects = new Map<string, T>();
  let dateMs: number | undefined;
  for await (const page of pages) {
    dateMs ??= page.dateMs;
    for (const object of page.items) objects.set(idOf(object), object);
    if (objects.size > most) throw new InventoryTooLargeError(name, most);
  }
  return { kind: 'listed', objects, dateMs: dateMs ?? 0 };
}

/** A kind that a cloud may lack is missing where its list is not there; unless it was there before, since all of it would seem to be gone. */
export async function listed<K extends ListedKind>(cloud: Cloud, kind: K, wasThere: boolean, most: number, signal: AbortSignal): Promise<Listing<Inventoried[K]>> {
  // The compiler does not see that the source of a kind gives that kind.
  const source = SOURCES[kind] as unknown as Source<Inventoried[K]>;
  const pages = source.list(cloud, signal);
  if (pages === undefined) return { kind: 'missing' };
  let begun = wasThere;
  try {
    return await gathered(kind, noted(pages, () => (begun = true)), source.idOf, most);
  } catch (error) {
    if (source.optional === true && !begun && hasCode(error, 'NotFound')) return { kind: 'missing' };
    throw error;
  }
}

async function* noted<T>(pages: AsyncIterable<Page<T>>, note: () => void): AsyncGenerator<Page<T>, void, undefined> {
  for await (const page of pages) {
    note();
    yield page;
  }
}
