import { YadoError, type ErrorOptions } from '../base/errors.ts';

/** An address is held by a handle; a VM's outlives its pods. Built by `handleOfContainer` and `handleOfVirtualMachine`. */
export type AddressHandle = string & { readonly __brand: 'AddressHandle' };

/** A guest's place on the network, as the agent asks for it. */
export interface GuestEndpointRequest {
  readonly namespace: string;
  /** Name of the VirtualMachine. */
  readonly virtualMachine: string;
  /** Uid of the VirtualMachine; the MAC address is derived from it when none is asked for. */
  readonly uid: string;
  /** Name of the anchor; the tap is named after it, as Calico names a pod's host interface. */
  readonly pod: string;
  /** Uid of the anchor, which tells its sandboxes from those of an earlier pod of the same name. */
  readonly podUid?: string;
  /** Address that the user fixed. */
  readonly address?: string;
  readonly macAddress?: string;
  /** Address of a pool with `assignmentMode: Manual` that leads to the guest too, and from which it speaks to the world. Only the native network can. */
  readonly floatingAddress?: string;
  readonly hostname: string;
  /** Name of the Node that the guest is: the blocks of that node are routed to the guest. Only the native network can. */
  readonly virtualNode?: string;
  /** What it asks of 169.254.169.254 is to be led to `metadata` of this node. Only the native network can. */
  readonly metadata?: boolean;
}

export interface GuestEndpoint {
  readonly address: string;
  readonly macAddress: string;
  readonly tap: string;
  readonly mtu: number;
  /** The one that was asked for; undefined where the network leaves it to another. */
  readonly floatingAddress?: string;
}

/** What the network must know of a pod when the CNI plugin adds it. */
export type PodAttachment =
  /** An ordinary pod: gets an address of its own and a veth. */
  | { readonly kind: 'container'; readonly annotations: Readonly<Record<string, string>> }
  /** An anchor: the tap is its interface; `endpoint` settles once the agent has taken the address. */
  | { readonly kind: 'anchor'; readonly endpoint: Promise<GuestEndpoint> };

/** How the network asks the agent what a pod is. Rejects when the pod is unknown after a while. */
export type PodLookup = (pod: { readonly namespace: string; readonly name: string; readonly uid: string }, signal: AbortSignal) => Promise<PodAttachment>;

/** What pods of a node that is a guest need of the network of its host. */
export interface PodNetwork {
  readonly ipam: Ipam;
  mtu(): number;
}

/** One node's share of the flat network. Every call is idempotent; each rejects with a NetworkError. */
export interface NodeNetwork extends AsyncDisposable {
  /** For pods in guests; undefined where another network gives the addresses and knows of no such pods. */
  readonly pods: PodNetwork | undefined;
  /** Where what guests ask of 169.254.169.254 arrives, of those alone that asked for it, each with its own address; undefined where the network cannot do so. */
  readonly metadata: { readonly host: string; readonly port: number } | undefined;
  /** Prepares the node: forwarding, gateway address, masquerade, routing daemon, CNI and DHCP sockets. Keeps them up until disposed. */
  start(signal?: AbortSignal): Promise<void>;
  /** Takes (or finds again) the VM's address and makes tap, route, neighbour and DHCP answer. */
  ensureGuest(request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint>;
  /** Removes tap, route and DHCP answer; the address stays with the VM's handle. `pod` is the anchor's name. */
  removeGuest(namespace: string, pod: string, signal?: AbortSignal): Promise<void>;
  /** Removes guest interfaces of anchors that are not in `keep` (`<namespace>/<pod>`). */
  prune(keep: ReadonlySet<string>): Promise<void>;
}

/** The cluster-wide address book (Calico's datastore model). Safe with any number of concurrent writers. */
export interface Ipam {
  /** The address of this handle if it has one, else a new one from the node's blocks or `requested`; when that differs from the one it had, the former is released. */
  assign(request: AssignRequest, signal?: AbortSignal): Promise<string>;
  /** Releases every address of the handle. No error when it has none. */
  release(handle: AddressHandle, signal?: AbortSignal): Promise<void>;
  addressesOf(handle: AddressHandle, signal?: AbortSignal): Promise<readonly string[]>;
  /** Names of the nodes that have blocks. */
  nodes(signal?: AbortSignal): Promise<readonly string[]>;
  /** Gives back what a node that is gone had: its containers' addresses and its empty blocks. Addresses of VMs stay theirs. */
  releaseNode(node: string, signal?: AbortSignal): Promise<void>;
}

export interface AssignRequest {
  readonly handle: AddressHandle;
  readonly node: string;
  readonly requested?: string;
  /** Only from a pool with `assignmentMode: Manual`, which an administrator has made for such addresses. */
  readonly manualOnly?: boolean;
  /** Names or CIDRs of the only pools that may serve; all that fit the node when absent. */
  readonly pools?: readonly string[];
  /** Only from the node's own blocks: an address of another node's block would not be routed there. */
  readonly ownBlocksOnly?: boolean;
  /** Attributes that Calico stores beside the address, such as pod, namespace, node. */
  readonly attributes: Readonly<Record<string, string>>;
}

export type NetworkErrorCode =
  | 'AddressInUse'
  | 'AddressOutsidePools'
  | 'PoolExhausted'
  | 'DatastoreConflict'
  | 'InterfaceError'
  | 'PodUnknown'
  | 'NetworkNotReady';

export class NetworkError extends YadoError {
  declare readonly code: NetworkErrorCode;
  constructor(code: NetworkErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
