import type { StorageBackendSpec } from './storage-backend.ts';

/** What a CSI driver serves: images and shared folders of one cluster of Ceph have a driver each. */
export type StorageDriverKind = 'local' | 'nfs' | 'rbd' | 'cephfs' | 'drbd';

export interface StorageDriver {
  readonly kind: StorageDriverKind;
  /** As PersistentVolumes have it. */
  readonly name: string;
  /** Of its StorageClass and its VolumeSnapshotClass. */
  readonly className: string;
}

const SUFFIX = 'csi.yadokari.dev';

/** The drivers that a StorageBackend has, the one of its default class first. */
export function driversOf(name: string, spec: StorageBackendSpec): readonly StorageDriver[] {
  const driver = (kind: StorageDriverKind, className = name): StorageDriver => ({ kind, className, name: driverName(kind, name) });
  if (spec.local !== undefined) return [driver('local')];
  if (spec.nfs !== undefined) return [driver('nfs')];
  if (spec.drbd !== undefined) return [driver('drbd')];
  const { pool, filesystem } = spec.ceph ?? {};
  if (filesystem === undefined) return [driver('rbd')];
  return pool === undefined ? [driver('cephfs')] : [driver('rbd'), driver('cephfs', `${name}-files`)];
}

/** Of the backend that is called as its kind, such as `local`, the short one. */
export function driverName(kind: StorageDriverKind, backend: string): string {
  return backend === kind ? `${kind}.${SUFFIX}` : `${backend}.${kind}.${SUFFIX}`;
}
