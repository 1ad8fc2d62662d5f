import type { Microversion } from '../microversion.ts';
import type { Page } from '../page.ts';
import type { Quotas } from '../quota.ts';

/** https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes; `unknown` also for those that are newer than this program. */
export type VolumeStatus = typeof VOLUME_STATUSES[number];

export const VOLUME_STATUSES = [
  'creating', 'available', 'reserved', 'attaching', 'detaching', 'in-use', 'maintenance', 'deleting', 'awaiting-transfer', 'error', 'error_deleting',
  'backing-up', 'restoring-backup', 'error_backing-up', 'error_restoring', 'error_extending', 'downloading', 'uploading', 'retyping', 'extending',
  'managing', 'unmanaging', 'error_managing', 'unknown',
] as const;

export interface Volume {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly status: VolumeStatus;
  readonly sizeGiB: number;
  /** Name of its type. */
  readonly type?: string;
  readonly projectId?: string;
  readonly bootable: boolean;
  readonly encrypted: boolean;
  readonly multiattach: boolean;
  readonly availabilityZone?: string;
  readonly snapshotId?: string;
  readonly sourceVolumeId?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly attachments: readonly { readonly attachmentId: string; readonly serverId: string; readonly device?: string; readonly host?: string }[];
  /** Of the image that it was made of. */
  readonly imageMetadata?: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number;
}

export interface Snapshot {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly status: string;
  readonly volumeId: string;
  readonly sizeGiB: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number;
}

export interface VolumeType {
  readonly id: string;
  readonly name: string;
  readonly public: boolean;
  readonly description?: string;
  /** Those that the project may see. */
  readonly extraSpecs: Readonly<Record<string, string>>;
}

export interface VolumeUse {
  readonly id: string;
  readonly status: string;
  readonly volumeId: string;
  readonly serverId?: string;
  readonly mode?: string;
}

export interface VolumeRequest {
  readonly name: string;
  readonly sizeGiB: number;
  readonly description?: string;
  readonly type?: string;
  readonly availabilityZone?: string;
  readonly source?: { readonly kind: 'image' | 'snapshot' | 'volume'; readonly id: string };
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What is done to a volume at once, unlike `extend`. */
export type VolumeAction =
  /** Nobody else can attach it; `unreserve` undoes it. `beginDetaching` and `rollDetaching` likewise for one in use. */
  | { readonly kind: 'reserve' | 'unreserve' | 'beginDetaching' | 'rollDetaching' }
  | { readonly kind: 'setBootable'; readonly bootable: boolean }
  | { readonly kind: 'setReadOnly'; readonly readOnly: boolean };

/**
 * Cinder, as one project sees it. Each call rejects with an OpenStackError. What removes something may be repeated: it is
 * no error that there is nothing.
 */
export interface VolumeService {
  supports(version: Microversion, signal?: AbortSignal): Promise<boolean>;

  volumes(signal?: AbortSignal): AsyncIterable<Page<Volume>>;
  volume(id: string, signal?: AbortSignal): Promise<Volume | undefined>;
  createVolume(request: VolumeRequest, signal?: AbortSignal): Promise<Volume>;
  deleteVolume(id: string, signal?: AbortSignal): Promise<void>;
  /** Taken up at once; the volume is larger when its status is `available` again. One in use needs 3.42. */
  extend(id: string, sizeGiB: number, signal?: AbortSignal): Promise<void>;
  act(id: string, action: VolumeAction, signal?: AbortSignal): Promise<void>;
  /** The id of an image that will be there when its status is active. */
  uploadToImage(id: string, image: { readonly name: string; readonly diskFormat: string; readonly force?: boolean }, signal?: AbortSignal): Promise<string>;

  snapshots(signal?: AbortSignal): AsyncIterable<Page<Snapshot>>;
  snapshot(id: string, signal?: AbortSignal): Promise<Snapshot | undefined>;
  /** Also of a volume in use: as it would be after a loss of power. */
  createSnapshot(volumeId: string, name: string, metadata?: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Snapshot>;
  deleteSnapshot(id: string, signal?: AbortSignal): Promise<void>;

  types(signal?: AbortSignal): AsyncIterable<Page<VolumeType>>;
  /** Who uses volumes. From 3.27. */
  uses(signal?: AbortSignal): AsyncIterable<Page<VolumeUse>>;
  quotas(signal?: AbortSignal): Promise<Quotas>;
}
