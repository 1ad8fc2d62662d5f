import type { Page } from '../page.ts';
import type { Cloud } from '../port.ts';
import type { Inventoried, InventoryKind } from './state.ts';

/** How soon a change is to be seen: with each sync, a little later, or some time. */
export type Pace = 'each' | 'often' | 'seldom';

export interface Source<T> {
  readonly pace: Pace;
  /** Some clouds have it not, and answer that there is no such list. */
  readonly optional?: boolean;
  readonly idOf: (object: T) => string;
  /** Undefined where the cloud has no service for it. */
  readonly list: (cloud: Cloud, signal: AbortSignal) => AsyncIterable<Page<T>> | undefined;
}

const id = (object: { readonly id: string }): string => object.id;

/** Where each kind is listed. Of servers there is more to know: `server-sync.ts`. */
export const SOURCES: { readonly [K in Exclude<InventoryKind, 'servers'>]: Source<Inventoried[K]> } = {
  ports: { pace: 'each', idOf: id, list: ({ network }, signal) => network.ports({}, signal) },
  volumes: { pace: 'each', idOf: id, list: ({ volume }, signal) => volume?.volumes(signal) },
  snapshots: { pace: 'each', idOf: id, list: ({ volume }, signal) => volume?.snapshots(signal) },
  floatingAddresses: { pace: 'each', optional: true, idOf: id, list: ({ network }, signal) => network.floatingAddresses(signal) },
  networks: { pace: 'often', idOf: id, list: ({ network }, signal) => network.networks(signal) },
  subnets: { pace: 'often', idOf: id, list: ({ network }, signal) => network.subnets(signal) },
  routers: { pace: 'often', optional: true, idOf: id, list: ({ network }, signal) => network.routers(signal) },
  securityGroups: { pace: 'often', optional: true, idOf: id, list: ({ network }, signal) => network.securityGroups(signal) },
  images: { pace: 'often', idOf: id, list: ({ image }, signal) => image.images(signal) },
  flavors: { pace: 'seldom', idOf: id, list: ({ compute }, signal) => compute.flavors(signal) },
  keypairs: { pace: 'seldom', optional: true, idOf: ({ name }) => name, list: ({ compute }, signal) => compute.keypairs(signal) },
  serverGroups: { pace: 'seldom', optional: true, idOf: id, list: ({ compute }, signal) => compute.serverGroups(signal) },
  volumeTypes: { pace: 'seldom', optional: true, idOf: id, list: ({ volume }, signal) => volume?.types(signal) },
};

export type ListedKind = keyof typeof SOURCES;

export const LISTED_KINDS = Object.keys(SOURCES) as readonly ListedKind[];
