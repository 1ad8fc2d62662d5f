import type { Server } from '../compute/types.ts';
import { compared, type Compared } from './difference.ts';
import type { Listing } from './listing.ts';
import { byKind, type Inventoried, type InventoryDifference, type InventoryKind, type InventoryState } from './state.ts';

/** What the next state is, and how it differs from the one before. */
export type Changes = { readonly [K in InventoryKind]: Compared<Inventoried[K]> };

/** Lists by kinds; a kind that is not in it was not listed. */
export type Listings = ReadonlyMap<InventoryKind, Listing<unknown>>;

/** Of a kind that is missing there is none; one that was not listed stays as it was. */
export function changesOf(before: InventoryState, listings: Listings): Changes {
  const change = <K extends InventoryKind>(kind: K): Compared<Inventoried[K]> => {
    const listing = listings.get(kind) as Listing<Inventoried[K]> | undefined;
    const after: ReadonlyMap<string, Inventoried[K]> = listing === undefined ? before[kind] : listing.kind === 'listed' ? listing.objects : new Map();
    return compared<Inventoried[K]>(before[kind], after);
  };
  return byKind<Changes>(change as never);
}

export function withServers(changes: Changes, before: InventoryState, servers: ReadonlyMap<string, Server>): Changes {
  return { ...changes, servers: compared(before.servers, servers) };
}

export function stateOf(changes: Changes): InventoryState {
  return byKind<InventoryState>((kind) => changes[kind].merged as never);
}

export function differenceOf(changes: Changes): InventoryDifference {
  return byKind<InventoryDifference>((kind) => changes[kind].difference as never);
}

export function isEmpty(difference: InventoryDifference): boolean {
  return Object.values(difference).every(({ added, changed, removed }) => added.length + changed.length + removed.length === 0);
}
