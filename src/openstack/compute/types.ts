import type { Secret } from '../secret.ts';

/** https://docs.openstack.org/api-guide/compute/server_concepts.html; `UNKNOWN` also for those that are newer than this program. */
export type ServerStatus = typeof SERVER_STATUSES[number];

export const SERVER_STATUSES = [
  'ACTIVE', 'BUILD', 'DELETED', 'ERROR', 'HARD_REBOOT', 'MIGRATING', 'PASSWORD', 'PAUSED', 'REBOOT', 'REBUILD', 'RESCUE', 'RESIZE',
  'REVERT_RESIZE', 'SHELVED', 'SHELVED_OFFLOADED', 'SHUTOFF', 'SOFT_DELETED', 'SUSPENDED', 'VERIFY_RESIZE', 'UNKNOWN',
] as const;

export type PowerState = 'none' | 'running' | 'paused' | 'shutdown' | 'crashed' | 'suspended';

/** Before 2.47 a server names its flavor; since then it has a copy, which outlives the flavor. */
export type ServerFlavor =
  | { readonly kind: 'reference'; readonly id: string }
  | ({ readonly kind: 'copy'; readonly name: string } & FlavorSize);

export interface FlavorSize {
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
  readonly ephemeralGiB: number;
  readonly swapMiB: number;
  readonly extraSpecs: Readonly<Record<string, string>>;
}

export interface ServerAddress {
  /** Name of the network. */
  readonly network: string;
  readonly address: string;
  readonly version: 4 | 6;
  readonly macAddress?: string;
  readonly kind: 'fixed' | 'floating';
}

export interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: ServerStatus;
  /** What is being done to it, such as `powering-off`. */
  readonly task?: string;
  readonly power: PowerState;
  readonly projectId: string;
  readonly userId: string;
  readonly flavor: ServerFlavor;
  /** Absent where it was booted from a volume. */
  readonly imageId?: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly launchedAtMs?: number;
  readonly addresses: readonly ServerAddress[];
  readonly keyName?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  /** Names. */
  readonly securityGroups: readonly string[];
  readonly availabilityZone?: string;
  /** Says whether two servers of a project share a host; not which it is. */
  readonly hostId?: string;
  readonly configDrive: boolean;
  readonly volumes: readonly { readonly id: string; readonly deleteOnTermination?: boolean }[];
  readonly locked: boolean;
  readonly lockedReason?: string;
  readonly description?: string;
  readonly hostname?: string;
  /** Why it is in ERROR. */
  readonly fault?: { readonly code: number; readonly message: string };
}

/** A line in a list of servers. */
export type ServerEntry =
  | { readonly kind: 'present'; readonly server: Server }
  /** Deleted; only in lists of changes. */
  | { readonly kind: 'gone'; readonly id: string }
  /** It is there, and the part of the cloud that knows more of it does not answer. */
  | { readonly kind: 'unreachable'; readonly id: string };

export interface Flavor extends FlavorSize {
  readonly id: string;
  readonly name: string;
  readonly public: boolean;
  readonly disabled: boolean;
  readonly description?: string;
}

/** Its name is its id. */
export interface Keypair {
  readonly name: string;
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly type: string;
}

export interface ServerGroup {
  readonly id: string;
  readonly name: string;
  /** `affinity`, `anti-affinity`, `soft-affinity`, `soft-anti-affinity`. */
  readonly policy: string;
  /** Ids of servers. */
  readonly members: readonly string[];
}

export interface VolumeAttachment {
  readonly serverId: string;
  readonly volumeId: string;
  readonly device?: string;
  readonly tag?: string;
  readonly deleteOnTermination?: boolean;
  /** Cinder's id of it, from 2.89. */
  readonly attachmentId?: string;
}

export interface Interface {
  readonly portId: string;
  readonly networkId: string;
  readonly macAddress: string;
  readonly state: string;
  readonly addresses: readonly { readonly subnetId: string; readonly address: string }[];
  readonly tag?: string;
}

export type RemoteConsoleType = 'novnc' | 'spice-html5' | 'serial' | 'rdp-html5' | 'webmks';

export interface RemoteConsole {
  readonly type: RemoteConsoleType;
  /** Whoever has it has the console. */
  readonly url: Secret;
}
