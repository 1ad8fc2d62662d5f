import { defineResource } from './object.ts';

export const storageClasses = defineResource('storage.k8s.io/v1', 'StorageClass', 'storageclasses', false);
export const csiDrivers = defineResource('storage.k8s.io/v1', 'CSIDriver', 'csidrivers', false);
export const volumeSnapshotClasses = defineResource('snapshot.storage.k8s.io/v1', 'VolumeSnapshotClass', 'volumesnapshotclasses', false);
