/** What Neutron keeps of everything. */
export interface NetworkObject {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly createdAtMs?: number;
  readonly updatedAtMs?: number;
  /** Grows with each change. */
  readonly revision: number;
}

export interface Network extends NetworkObject {
  readonly status: string;
  readonly up: boolean;
  readonly mtu?: number;
  /** Floating addresses come from there. */
  readonly external: boolean;
  /** Other projects may use it. */
  readonly shared: boolean;
  readonly subnetIds: readonly string[];
  readonly portSecurity: boolean;
}

export interface Subnet extends NetworkObject {
  readonly networkId: string;
  readonly version: 4 | 6;
  readonly cidr: string;
  readonly gateway?: string;
  readonly dhcp: boolean;
  readonly pools: readonly { readonly start: string; readonly end: string }[];
  readonly dnsServers: readonly string[];
  readonly routes: readonly Route[];
  /** How IPv6 addresses come about: `slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`. */
  readonly addressMode?: string;
}

export interface Route {
  readonly destination: string;
  readonly nextHop: string;
}

export interface FixedAddress {
  readonly subnetId: string;
  readonly address: string;
}

export interface Port extends NetworkObject {
  readonly networkId: string;
  readonly macAddress: string;
  readonly status: string;
  readonly up: boolean;
  /** Who has it: a server, a router, … */
  readonly deviceId?: string;
  /** Such as `compute:nova` and `network:router_interface`. */
  readonly deviceOwner?: string;
  readonly addresses: readonly FixedAddress[];
  /** What it may send from beside its own. */
  readonly allowedPairs: readonly { readonly address: string; readonly macAddress?: string }[];
  readonly securityGroupIds: readonly string[];
  readonly portSecurity: boolean;
  readonly vnicType: string;
}

export interface Router extends NetworkObject {
  readonly status: string;
  readonly up: boolean;
  readonly gateway?: { readonly networkId: string; readonly addresses: readonly FixedAddress[]; readonly snat: boolean };
  readonly routes: readonly Route[];
}

/** Its name is its address. */
export interface FloatingAddress extends NetworkObject {
  readonly address: string;
  readonly status: string;
  readonly networkId: string;
  readonly routerId?: string;
  readonly portId?: string;
  /** That it leads to. */
  readonly fixedAddress?: string;
}

export interface SecurityGroup extends NetworkObject {
  readonly stateful: boolean;
  readonly rules: readonly SecurityGroupRule[];
}

/** What is absent is any. */
export interface SecurityGroupRule {
  readonly id: string;
  readonly direction: 'ingress' | 'egress';
  readonly version: 4 | 6;
  readonly protocol?: string;
  /** For ICMP the type, and the code or -1 for any. */
  readonly ports?: { readonly from: number; readonly to: number };
  readonly remoteCidr?: string;
  readonly remoteGroupId?: string;
  readonly remoteAddressGroupId?: string;
  readonly description: string;
}
