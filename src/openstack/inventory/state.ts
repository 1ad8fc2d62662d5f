import type { Flavor, Keypair, Server, ServerGroup } from '../compute/types.ts';
import type { Image } from '../image/port.ts';
import type { FloatingAddress, Network, Port, Router, SecurityGroup, Subnet } from '../network/types.ts';
import type { Snapshot, Volume, VolumeType } from '../volume/port.ts';

/** What there is of a project, by kind. */
export interface Inventoried {
  readonly servers: Server;
  readonly ports: Port;
  readonly volumes: Volume;
  readonly snapshots: Snapshot;
  readonly floatingAddresses: FloatingAddress;
  readonly networks: Network;
  readonly subnets: Subnet;
  readonly routers: Router;
  readonly securityGroups: SecurityGroup;
  readonly images: Image;
  readonly flavors: Flavor;
  /** By name. */
  readonly keypairs: Keypair;
  readonly serverGroups: ServerGroup;
  readonly volumeTypes: VolumeType;
}

export type InventoryKind = keyof Inventoried;

export const INVENTORY_KINDS: readonly InventoryKind[] = [
  'servers', 'ports', 'volumes', 'snapshots', 'floatingAddresses', 'networks', 'subnets', 'routers', 'securityGroups', 'images', 'flavors', 'keypairs', 'serverGroups', 'volumeTypes',
];

/** All of a project at one time, by ids. What has not changed since an earlier state is the same object as there. */
export type InventoryState = { readonly [K in InventoryKind]: ReadonlyMap<string, Inventoried[K]> };

export interface KindDifference<T> {
  readonly added: readonly T[];
  readonly changed: readonly { readonly before: T; readonly after: T }[];
  readonly removed: readonly T[];
}

export type InventoryDifference = { readonly [K in InventoryKind]: KindDifference<Inventoried[K]> };

/** For each kind what `make` makes of it. */
export function byKind<T extends { readonly [K in InventoryKind]: unknown }>(make: <K extends InventoryKind>(kind: K) => T[K]): T {
  return Object.freeze(Object.fromEntries(INVENTORY_KINDS.map((kind) => [kind, make(kind)]))) as T;
}

export const EMPTY_STATE: InventoryState = byKind<InventoryState>(() => new Map());
