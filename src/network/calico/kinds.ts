import { defineResource, type KubeObject } from '../../kube/object.ts';

/** Calico's objects as its Kubernetes datastore stores them (`crd.projectcalico.org/v1`); only what is read or written here. */
const API = 'crd.projectcalico.org/v1';

/** A 64-bit integer: a bigint where a double could not hold it. */
export type Whole = number | bigint;

export interface IPPool extends KubeObject {
  readonly spec: {
    readonly cidr: string;
    readonly blockSize?: number;
    readonly natOutgoing?: boolean;
    readonly disabled?: boolean;
    readonly disableBGPExport?: boolean;
    readonly nodeSelector?: string;
    readonly namespaceSelector?: string;
    readonly allowedUses?: readonly string[];
    readonly assignmentMode?: 'Automatic' | 'Manual';
  };
}

export interface IPAMConfig extends KubeObject {
  readonly spec: {
    readonly strictAffinity: boolean;
    readonly autoAllocateBlocks: boolean;
    /** 0 or absent: Calico's default of 20. */
    readonly maxBlocksPerHost?: number;
    readonly ipCooldownSeconds?: number;
  };
}

export interface AllocationAttribute {
  readonly handle_id?: string;
  readonly secondary?: Readonly<Record<string, string>>;
  /** RFC 3339; the address cools down and is held by nobody. */
  readonly releasedAt?: string;
}

export interface BlockSpec {
  readonly cidr: string;
  /** `host:<node>`. */
  readonly affinity?: string | null;
  readonly affinityClaimTime?: string | null;
  readonly strictAffinity: boolean;
  readonly deleted?: boolean;
  /** For each ordinal the index of its attribute. */
  readonly allocations: readonly (number | null)[];
  /** First in, first out. */
  readonly unallocated: readonly number[];
  readonly attributes: readonly AllocationAttribute[];
  readonly sequenceNumber?: Whole;
  readonly sequenceNumberForAllocation?: Readonly<Record<string, Whole>>;
}

export interface IPAMBlock extends KubeObject {
  readonly spec: BlockSpec;
}

export interface BlockAffinity extends KubeObject {
  readonly spec: {
    readonly cidr: string;
    readonly node: string;
    readonly type?: string;
    readonly state: 'pending' | 'confirmed' | 'pendingDeletion';
    readonly deleted: string;
  };
}

export interface IPAMHandle extends KubeObject {
  readonly spec: {
    readonly handleID: string;
    /** How many addresses in which block. May count too many after a crash, never too few. */
    readonly block: Readonly<Record<string, number>>;
    readonly deleted?: boolean;
  };
}

export interface IPReservation extends KubeObject {
  readonly spec: { readonly reservedCIDRs?: readonly string[] };
}

export interface BGPConfiguration extends KubeObject {
  readonly spec: {
    readonly asNumber?: number;
    readonly nodeToNodeMeshEnabled?: boolean;
    readonly listenPort?: number;
  };
}

export interface BGPPeer extends KubeObject {
  readonly spec: {
    /** Address, or address:port. */
    readonly peerIP?: string;
    readonly asNumber?: number;
    readonly node?: string;
    readonly nodeSelector?: string;
    /** Peers are the nodes that it selects. */
    readonly peerSelector?: string;
    readonly sourceAddress?: 'UseNodeIP' | 'None';
  };
}

/** Of whom or to whom a rule is; what is absent is any. */
export interface PolicyEntity {
  readonly nets?: readonly string[];
  readonly selector?: string;
  /** Numbers, and ranges such as `8000:8080`. */
  readonly ports?: readonly (number | string)[];
}

/** https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#rule */
export interface PolicyRule {
  readonly action: 'Allow' | 'Deny' | 'Log' | 'Pass';
  readonly ipVersion?: 4 | 6;
  readonly protocol?: string | number;
  readonly icmp?: { readonly type?: number; readonly code?: number };
  readonly source?: PolicyEntity;
  readonly destination?: PolicyEntity;
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
}

export interface NetworkPolicy extends KubeObject {
  readonly spec: {
    readonly tier?: string;
    readonly order?: number;
    readonly selector?: string;
    readonly types?: readonly ('Ingress' | 'Egress')[];
    readonly ingress?: readonly PolicyRule[];
    readonly egress?: readonly PolicyRule[];
  };
}

export const networkPolicies = defineResource<NetworkPolicy>(API, 'NetworkPolicy', 'networkpolicies');
export const ipPools = defineResource<IPPool>(API, 'IPPool', 'ippools', false);
export const ipamConfigs = defineResource<IPAMConfig>(API, 'IPAMConfig', 'ipamconfigs', false);
export const ipamBlocks = defineResource<IPAMBlock>(API, 'IPAMBlock', 'ipamblocks', false);
export const blockAffinities = defineResource<BlockAffinity>(API, 'BlockAffinity', 'blockaffinities', false);
export const ipamHandles = defineResource<IPAMHandle>(API, 'IPAMHandle', 'ipamhandles', false);
export const ipReservations = defineResource<IPReservation>(API, 'IPReservation', 'ipreservations', false);
export const bgpConfigurations = defineResource<BGPConfiguration>(API, 'BGPConfiguration', 'bgpconfigurations', false);
export const bgpPeers = defineResource<BGPPeer>(API, 'BGPPeer', 'bgppeers', false);

/** `10.0.0.0/26` as part of an object's name: `10-0-0-0-26`. */
export function nameOfCidr(cidr: string): string {
  return cidr.replaceAll(/[./:]/g, '-');
}

export function nameOfAffinity(node: string, cidr: string): string {
  return `${node}-${nameOfCidr(cidr)}`;
}
