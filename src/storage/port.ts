import { YadoError, type ErrorOptions } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { KubeClient } from '../kube/client.ts';

/** What a backend made, as it knows it itself: nothing of a volume is kept anywhere else. */
export interface StoredVolume {
  /** Given by the backend; says nothing to anybody else. */
  readonly id: string;
  /** Given by whoever asked for it; the same name is the same volume. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly source?: VolumeSource;
  /** Nodes that it can be reached from, each by labels. Absent: as the backend says for all. */
  readonly topology?: readonly Readonly<Record<string, string>>[];
  /** What is wrong with it, if something is. */
  readonly fault?: string;
  /** What a node needs besides the id to reach it. */
  readonly context?: Readonly<Record<string, string>>;
}

export interface VolumeSource {
  readonly kind: 'snapshot' | 'volume';
  readonly id: string;
}

export interface StoredSnapshot {
  readonly id: string;
  readonly name: string;
  /** Id of the volume; it may be gone. */
  readonly volume: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

export interface VolumeRequest {
  readonly name: string;
  /** At least; backends round up to what they can make. */
  readonly sizeBytes: number;
  /** At most; absent: any. */
  readonly limitBytes?: number;
  readonly source?: VolumeSource;
  /** Where it is to be reached from, by labels of nodes: from one of these, and rather from the first. Absent: from anywhere. */
  readonly accessibility?: { readonly requisite: readonly Readonly<Record<string, string>>[]; readonly preferred: readonly Readonly<Record<string, string>>[] };
  /** Of the StorageClass, each known to the backend: others are refused before it is asked. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Label of nodes whose volumes are there for them alone. */
export const TOPOLOGY_NODE = 'topology.yadokari.dev/node';

/** Who may use a volume at once. */
export type Sharing = 'one node' | 'many nodes, reading' | 'many nodes';

/** What a backend can do; the driver offers just this. */
export interface BackendFeatures {
  readonly snapshots: boolean;
  readonly clones: boolean;
  /** Volumes are there for some nodes only, which have labels such as these of this node. Absent: for all. */
  readonly topology?: Readonly<Record<string, string>>;
  /** Who lets volumes grow: whoever has the backend, or the node that has the volume. */
  readonly growth: 'backend' | 'node';
  readonly sharing: { readonly block: readonly Sharing[]; readonly filesystem: readonly Sharing[] };
  /** Parameters of StorageClasses, and what is wrong with a value, or undefined. */
  readonly parameters: Readonly<Record<string, (value: string) => string | undefined>>;
}

/**
 * Where volumes are made. Every call may be repeated, and run at the same time as any other; what was begun and
 * interrupted is finished or undone by the next. Each rejects with a StorageError.
 */
export interface Backend {
  /** Such as `local`. */
  readonly kind: string;
  readonly features: BackendFeatures;
  /** Rejects with BackendUnreachable when nothing can be made now. */
  probe(signal?: AbortSignal): Promise<void>;
  /** The volume of this name, made now if need be. NameTaken when there is one that is not as asked. */
  create(request: VolumeRequest, signal?: AbortSignal): Promise<StoredVolume>;
  /** No error when there is none. VolumeInUse when it is published, somebody uses it or depends on it. */
  remove(id: string, signal?: AbortSignal): Promise<void>;
  get(id: string, signal?: AbortSignal): Promise<StoredVolume | undefined>;
  /** In the order of their ids. */
  list(signal?: AbortSignal): Promise<readonly StoredVolume[]>;
  /** Grows the volume to at least this many bytes; never shrinks it. */
  expand(id: string, sizeBytes: number, signal?: AbortSignal): Promise<StoredVolume>;
  /** Bytes that new volumes may have together. */
  availableBytes(signal?: AbortSignal): Promise<number>;
  /** The snapshot of this name, made now if need be. NameTaken when there is one of another volume. */
  snapshot(volume: string, name: string, signal?: AbortSignal): Promise<StoredSnapshot>;
  removeSnapshot(id: string, signal?: AbortSignal): Promise<void>;
  /** In the order of their ids. */
  snapshots(signal?: AbortSignal): Promise<readonly StoredSnapshot[]>;
  /** What belongs to no volume and to no snapshot, in words, or to one that was made or removed by half; also while that goes on. */
  remnants?(signal?: AbortSignal): Promise<readonly string[]>;
  /** Who has which volume. Absent where a volume is there for its own node alone. */
  readonly publishing?: Publishing;
}

/**
 * Gives volumes to nodes, and takes them back also from nodes that do not answer. The backend itself keeps who has what;
 * `node` is what the driver on that node says its id is. Calls may be repeated; each rejects with a StorageError.
 */
export interface Publishing {
  /** The node may attach the volume from now on. VolumeInUse, naming the other node, when one has it that is to be alone, or this one is to be. */
  publish(id: string, node: string, sharing: Sharing, signal?: AbortSignal): Promise<void>;
  /**
   * When this returns the node cannot write to the volume any more, whether it is dead, frozen or cut off; what had to be
   * done for that, and undefined where it had let go of the volume itself. No error when it has not got it.
   */
  shutOut(id: string, node: string, signal?: AbortSignal): Promise<Fence | undefined>;
  /** After it was shut out: from now on others may have the volume. */
  release(id: string, node: string, signal?: AbortSignal): Promise<void>;
  /** Nodes by ids of volumes: of all, or of this one. */
  published(id?: string, signal?: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** How a node was kept from writing to a volume. */
export interface Fence {
  readonly atMs: number;
  /** In words. */
  readonly how: string;
}

/** A volume as it is reached on a node: a device, files to mount, or files that are mounted already where they were wanted. */
export type Attachment =
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'mounted' }
  | { readonly kind: 'tree'; readonly type: string; readonly source: string; readonly options: readonly string[] };

/** A backend's part on each node. Calls may be repeated; each rejects with a StorageError. */
export interface NodeVolumes {
  /** The volume is there afterwards, until it is detached: also after a restart of the driver. */
  attach(volume: VolumeReference, signal?: AbortSignal): Promise<Attachment>;
  /** No error when it is not attached. */
  detach(id: string, signal?: AbortSignal): Promise<void>;
  /** Ids of volumes of which there is something on this node: a device, a mount, a daemon. */
  attached(signal?: AbortSignal): Promise<readonly string[]>;
  /** What this node lacks so that it cannot attach volumes, in words; undefined when it lacks nothing. */
  lacking?(): Promise<string | undefined>;
  /** By which id the backend gives volumes to this node. Absent: by the node's name. */
  nodeId?(): Promise<string>;
  /** The attachment shows the size that the volume has; which is at least this many bytes, where nodes let volumes grow. */
  refresh(volume: VolumeReference, sizeBytes: number, signal?: AbortSignal): Promise<void>;
}

export interface VolumeReference {
  readonly id: string;
  readonly readOnly: boolean;
  readonly context: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  /** Where files are to be mounted, and how; absent for a block device. */
  readonly mount?: { readonly target: string; readonly flags: readonly string[] };
}

export interface OpenBackendOptions {
  /** Name of the Node that the driver runs on. */
  readonly node: string;
  /** Whether volumes are attached on this node by this process. Default true. */
  readonly attaches?: boolean;
  /** Folder of this node that is the driver's own, and outlives it. */
  readonly stateDirectory: string;
  /** As the StorageBackend has them under the name of its kind; checked by whoever opens. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of the Secret that the StorageBackend names; never in logs, arguments or environments. */
  readonly secret: Readonly<Record<string, string>>;
  /** What the cluster knows of a node by its name. Default: that it is ready. */
  readonly stateOf?: (node: string) => Promise<NodeState>;
  readonly log: Log;
  /** Where the StorageBackend is, by its name; absent where settings come from files. */
  readonly api?: { readonly client: KubeClient; readonly backend: string };
}

/** `silent`: there is such a node, and it does not answer. */
export type NodeState = 'ready' | 'silent' | 'gone';

/** A backend as one process has it, with what it keeps open. */
export interface OpenedBackend extends AsyncDisposable {
  readonly backend: Backend;
  readonly volumes: NodeVolumes;
}

/** Rejects with InvalidRequest, naming the setting, when the settings or the secret will never do; a backend that cannot be reached now is not an error. */
export type OpenBackend = (options: OpenBackendOptions) => Promise<OpenedBackend>;

export type StorageErrorCode =
  | 'VolumeNotFound' | 'SnapshotNotFound'
  | 'NameTaken' | 'VolumeInUse' | 'InvalidRequest' | 'Unsupported'
  | 'NoSpace' | 'BackendUnreachable' | 'NotAttached' | 'Failed';

export class StorageError extends YadoError {
  declare readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
