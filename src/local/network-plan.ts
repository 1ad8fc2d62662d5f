import { LocalError } from './errors.ts';

/** Every address and name that cluster number `index` of a host uses. */
export interface NetworkPlan {
  readonly index: number;
  /** The host's bridge; also the name of its nft table and the prefix of namespaces and veths. */
  readonly bridge: string;
  readonly subnet: string;
  /** The host's own address on the bridge: control plane, DNS and BGP peer of all nodes. */
  readonly gateway: string;
  readonly podPool: string;
  readonly serviceCidr: string;
  /** Address of the service kube-system/kube-dns. */
  readonly dnsAddress: string;
  /** First address of `serviceCidr`: the service default/kubernetes. */
  readonly kubernetesAddress: string;
  /** The kernel's routing table that this cluster's BIRD owns, and the priority of the rule that leads there. */
  readonly routeTable: number;
}

/** Most clusters on one host: their pools run from 10.201 to 10.243, and 10.244 is the first one's. */
export const maximumClusters = 44;

export function networkPlan(index: number): NetworkPlan {
  return {
    index,
    bridge: `yado${index}`,
    subnet: `10.55.${index}.0/24`,
    gateway: `10.55.${index}.1`,
    podPool: index === 0 ? '10.244.0.0/16' : `10.${200 + index}.0.0/16`,
    serviceCidr: '10.98.0.0/16',
    dnsAddress: '10.98.0.10',
    kubernetesAddress: '10.98.0.1',
    routeTable: 5500 + index,
  };
}

/** Address of the `ordinal`-th node (1, 2, …). */
export function nodeAddress(plan: NetworkPlan, ordinal: number): string {
  return `10.55.${plan.index}.${10 + ordinal}`;
}

/**
 * MAC address of host number `host` (the last byte of its address) on the bridge. Fixed, since a bridge without one takes a
 * port's and changes it as nodes come and go, and the others then talk to nobody until their neighbour entries expire.
 */
export function macAddress(plan: NetworkPlan, host: number): string {
  const hex = (byte: number) => byte.toString(16).padStart(2, '0');
  return `02:79:61:64:${hex(plan.index)}:${hex(host)}`;
}

/** The named network namespace of a node; its end of the veth on the bridge has the same name. */
export function nodeNamespace(plan: NetworkPlan, node: string): string {
  return `${plan.bridge}-${node}`;
}

export interface HostNetworkUse {
  /** Names of all links. */
  readonly links: ReadonlySet<string>;
  /** Destinations of all routes and the networks of all addresses, in CIDR notation. */
  readonly networks: readonly string[];
  /** Indexes that other clusters have recorded, running or not. */
  readonly reserved: ReadonlySet<number>;
}

/** The first index whose bridge, subnet and pod pool nobody uses. Throws LocalError `NoFreeSubnet`. */
export function chooseIndex(use: HostNetworkUse): number {
  for (let index = 0; index < maximumClusters; index += 1) {
    if (!use.reserved.has(index) && conflictsOf(networkPlan(index), use).length === 0) return index;
  }
  throw new LocalError('NoFreeSubnet', 'Every subnet from 10.55.0.0/24 to 10.55.43.0/24 is in use on this host; delete a cluster with `yado down --delete --name NAME`.');
}

/** What of the plan is taken already, in words for people. */
export function conflictsOf(plan: NetworkPlan, use: Pick<HostNetworkUse, 'links' | 'networks'>): readonly string[] {
  const overlapping = use.networks.filter((network) => overlaps(network, plan.subnet) || overlaps(network, plan.podPool));
  return [...(use.links.has(plan.bridge) ? [`a link named ${plan.bridge}`] : []), ...overlapping.map((network) => `the network ${network}`)];
}

/** Whether two IPv4 networks share an address. */
export function overlaps(a: string, b: string): boolean {
  const [first, second] = [rangeOf(a), rangeOf(b)];
  if (first === undefined || second === undefined) return false;
  return first.start <= second.end && second.start <= first.end;
}

function rangeOf(cidr: string): { readonly start: number; readonly end: number } | undefined {
  const [address = '', length = '32'] = cidr.split('/');
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) return undefined;
  const size = 2 ** (32 - Number(length));
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const start = value - (value % size);
  return { start, end: start + size - 1 };
}
