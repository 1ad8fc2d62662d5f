import { flavorProblem, imageProblem, keypairProblem, securityGroupProblem, subnetProblem } from '../../openstack/counterparts.ts';
import { INVENTORY_KINDS, type Inventoried, type InventoryKind, type InventoryState } from '../../openstack/inventory/state.ts';

/** What becomes of a kind of the cloud in Kubernetes. */
type Portrayal<T> =
  /** Each is an object of its own, but for those with a problem that leaves it out. */
  | { readonly kind: 'objects'; readonly of: string; readonly outProblem?: (object: T, state: InventoryState) => string | undefined; readonly partProblem?: (object: T) => string | undefined }
  /** None has an object; where it is seen instead, or why it is not. */
  | { readonly kind: 'noObjects'; readonly how: string };

/** One kind, as an OpenStackTenant with its defaults would show it. */
export interface PortrayedKind {
  readonly kind: InventoryKind;
  /** In the cloud. */
  readonly there: number;
  /** How many of them have an object here; absent for kinds that have none. */
  readonly here?: number;
  /** Of which kind, or how else they are seen. */
  readonly as: string;
}

const PORTRAYALS: { readonly [K in InventoryKind]: Portrayal<Inventoried[K]> } = {
  servers: { kind: 'objects', of: 'VirtualMachine' },
  volumes: { kind: 'objects', of: 'PersistentVolume and its claim' },
  flavors: { kind: 'objects', of: 'InstanceType', outProblem: flavorProblem },
  images: { kind: 'objects', of: 'VirtualMachineImage', outProblem: imageProblem },
  keypairs: { kind: 'objects', of: 'Secret', outProblem: keypairProblem },
  subnets: { kind: 'objects', of: 'IPPool, disabled', outProblem: (subnet, { networks }) => subnetProblem(subnet, networks.get(subnet.networkId)) },
  securityGroups: { kind: 'objects', of: 'NetworkPolicy', partProblem: securityGroupProblem },
  ports: { kind: 'noObjects', how: 'addresses and labels of machines' },
  floatingAddresses: { kind: 'noObjects', how: 'addresses of machines' },
  serverGroups: { kind: 'noObjects', how: 'labels of machines' },
  networks: { kind: 'noObjects', how: 'their subnets' },
  routers: { kind: 'noObjects', how: 'counted alone: it is the cloud that routes' },
  snapshots: { kind: 'noObjects', how: 'counted alone: volumes are seen, and not served' },
  volumeTypes: { kind: 'noObjects', how: 'counted alone: volumes are made in the cloud' },
};
/** Those with objects first. */
const ORDER = Object.keys(PORTRAYALS) as readonly InventoryKind[];

/** All kinds that the cloud has. */
export function portrayedKinds(state: InventoryState, missing: readonly InventoryKind[]): readonly PortrayedKind[] {
  return ORDER.filter((kind) => !missing.includes(kind)).map((kind) => {
    const portrayal = PORTRAYALS[kind];
    const there = state[kind].size;
    if (portrayal.kind === 'noObjects') return { kind, there, as: portrayal.how };
    return { kind, there, here: there - problemsOf(state, kind, 'outProblem').length, as: portrayal.of };
  });
}

/** What has no object, or one that does not say all of it, and why. */
export function portrayalProblems(state: InventoryState): readonly string[] {
  return INVENTORY_KINDS.flatMap((kind) => [...problemsOf(state, kind, 'outProblem'), ...problemsOf(state, kind, 'partProblem')].sort());
}

function problemsOf(state: InventoryState, kind: InventoryKind, which: 'outProblem' | 'partProblem'): readonly string[] {
  // The compiler does not see that a kind's portrayal is asked about objects of that kind.
  const portrayal = PORTRAYALS[kind] as Portrayal<Inventoried[InventoryKind]>;
  if (portrayal.kind === 'noObjects') return [];
  return [...state[kind].values()].flatMap((object) => portrayal[which]?.(object, state) ?? []);
}
