import { defineResource, type KubeObject } from './object.ts';

export interface PersistentVolume extends KubeObject {
  readonly spec: {
    readonly csi?: { readonly driver: string; readonly volumeHandle: string };
    readonly claimRef?: { readonly namespace?: string; readonly name?: string; readonly uid?: string };
    readonly nodeAffinity?: object;
  };
}

export const persistentVolumes = defineResource<PersistentVolume>('v1', 'PersistentVolume', 'persistentvolumes', false);

export interface VolumeAttachment extends KubeObject {
  readonly spec: { readonly attacher: string; readonly nodeName: string; readonly source: { readonly persistentVolumeName?: string } };
}

export interface VolumeSnapshotContent extends KubeObject {
  readonly spec: { readonly driver: string; readonly source: { readonly snapshotHandle?: string } };
  readonly status?: { readonly snapshotHandle?: string };
}

export interface CsiNode extends KubeObject {
  readonly spec: { readonly drivers: readonly { readonly name: string }[] };
}

export interface VolumeSnapshot extends KubeObject {
  readonly status?: { readonly readyToUse?: boolean };
}

export const volumeSnapshots = defineResource<VolumeSnapshot>('snapshot.storage.k8s.io/v1', 'VolumeSnapshot', 'volumesnapshots');
export const volumeAttachments = defineResource<VolumeAttachment>('storage.k8s.io/v1', 'VolumeAttachment', 'volumeattachments', false);
export const volumeSnapshotContents = defineResource<VolumeSnapshotContent>('snapshot.storage.k8s.io/v1', 'VolumeSnapshotContent', 'volumesnapshotcontents', false);
export const csiNodes = defineResource<CsiNode>('storage.k8s.io/v1', 'CSINode', 'csinodes', false);
export const storageClasses = defineResource('storage.k8s.io/v1', 'StorageClass', 'storageclasses', false);
export const csiDrivers = defineResource('storage.k8s.io/v1', 'CSIDriver', 'csidrivers', false);
export const volumeSnapshotClasses = defineResource('snapshot.storage.k8s.io/v1', 'VolumeSnapshotClass', 'volumesnapshotclasses', false);
