import { API_VERSION } from '../../api/group.ts';
import type { StorageDriver, StorageDriverKind } from '../../api/storage-drivers.ts';
import type { Applied } from '../../kube/client.ts';
import type { StorageBackend } from '../../kube/yadokari.ts';

/** What sets the kinds of volumes apart for Kubernetes. */
const TRAITS: Readonly<Record<StorageDriverKind, { readonly binding: 'Immediate' | 'WaitForFirstConsumer'; readonly attachRequired: boolean }>> = {
  // A volume is made on the node that its first pod is on.
  local: { binding: 'WaitForFirstConsumer', attachRequired: false },
  // The others can be had by any node, and are taken from one before another has them.
  nfs: { binding: 'Immediate', attachRequired: true },
  rbd: { binding: 'Immediate', attachRequired: true },
  cephfs: { binding: 'Immediate', attachRequired: true },
  // One of the copies is where the first pod is; the nodes that have them settle among themselves who writes.
  drbd: { binding: 'WaitForFirstConsumer', attachRequired: false },
};

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';
/** Of the driver, not of the cluster: of volumes of this driver there is no other class of ours. */
const DEFAULT_SNAPSHOT_CLASS = 'snapshot.storage.kubernetes.io/is-default-class';

export interface ClassesOf {
  readonly csiDriver: Applied;
  readonly storageClass: Applied;
  readonly snapshotClass: Applied;
}

/** What the API has for one driver of a backend; owned by the backend, and gone with it. */
export function classesOf({ metadata, spec: { classes = {} } }: StorageBackend, { kind, name, className }: StorageDriver): ClassesOf {
  const { binding, attachRequired } = TRAITS[kind];
  const isDefault = String(classes.default === true && className === metadata.name);
  const { reclaimPolicy = 'Delete', parameters } = classes;
  const owned = (of: string, annotations: Readonly<Record<string, string>> = {}) => ({
    name: of, annotations, labels: { 'app.kubernetes.io/managed-by': 'yadokari' },
    ownerReferences: [{ apiVersion: API_VERSION, kind: 'StorageBackend', name: metadata.name, uid: metadata.uid ?? '', controller: true }],
  });
  return {
    // A pod's group has its volumes, whether the class names a type of file system or not.
    csiDriver: { metadata: owned(name), spec: { attachRequired, podInfoOnMount: false, fsGroupPolicy: 'File', volumeLifecycleModes: ['Persistent'] } },
    storageClass: {
      metadata: owned(className, { [DEFAULT_CLASS]: isDefault }), provisioner: name, volumeBindingMode: binding, allowVolumeExpansion: true, reclaimPolicy,
      ...(parameters === undefined ? {} : { parameters }),
    },
    snapshotClass: { metadata: owned(className, { [DEFAULT_SNAPSHOT_CLASS]: 'true' }), driver: name, deletionPolicy: reclaimPolicy },
  };
}
