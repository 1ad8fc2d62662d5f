import { GROUP } from './group.ts';

/** On pods that copy a disk of a cloud: a DiskCopy, as JSON. */
export const ANNOTATION_DISK_COPY = `${GROUP}/disk-copy`;
/** On such a pod, by its node's agent: a DiskCopyProgress, as JSON. */
export const ANNOTATION_DISK_COPY_PROGRESS = `${GROUP}/disk-copy-progress`;
/** Condition of such a pod, by the agent: True when the copy is whole and verified; False with the reason of a failure, which is tried again. */
export const CONDITION_DISK_COPIED = `${GROUP}/disk-copied`;

/** Names of the volumes that such a pod has: of the claim, and of the Secret with the clouds.yaml or with the key of a Ceph. */
export const DISK_VOLUME = 'disk';
export const CLOUD_VOLUME = 'cloud';
export const CEPH_VOLUME = 'ceph';

/** What a pod stands for that brings a disk of a cloud into a claim. */
export interface DiskCopy {
  /** As the clouds.yaml calls it. Default: the only one there. */
  readonly cloud?: string;
  /** Its id in Glance; with `ceph`, what tells this content from any other. */
  readonly image: string;
  readonly format: 'raw' | 'qcow2';
  /** Where it is read instead of from Glance. */
  readonly ceph?: CephSource;
  /** Of the disk as a guest sees it, and so of the target. What an image does not reach is zeros. */
  readonly sizeBytes: number;
  readonly claim: { readonly name: string; readonly mode: 'Block' | 'Filesystem' };
  /** How far a pod before this one came. */
  readonly from?: DiskCopyProgress;
}

/** An image of a Ceph, whose key is in the Secret that the pod has. */
export interface CephSource {
  readonly monitors: readonly string[];
  readonly pool: string;
  readonly image: string;
  /** Absent: as it is now, which nobody changes. */
  readonly snapshot?: string;
  /** The target is as this snapshot was: only what has changed since is copied. */
  readonly since?: string;
}

/** How far a copy is, and enough of it to go on from there. At the end it is Verifying, with all bytes and the digest of the whole disk. */
export interface DiskCopyProgress {
  readonly image: string;
  readonly phase: 'Copying' | 'Verifying';
  /** Up to where it is copied; while it is Verifying, read anew. */
  readonly offsetBytes: number;
  /** Of segments that differed, and were written. */
  readonly writtenBytes: number;
  /** Hex, chained over the segments up to the offset; while it is Verifying over all of them, which the disk must have. Those that cannot have changed are left out. */
  readonly digest: string;
}
