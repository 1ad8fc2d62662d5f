/**
 * Kinds of volumes that a local cluster can have. `local` is there at once; for the others the drivers wait for a
 * StorageBackend of that name, which says where the server is.
 */
export const storageKinds = ['local', 'nfs', 'ceph'] as const;
export type StorageKind = (typeof storageKinds)[number];

/** Kubernetes' own programs beside a CSI driver. */
export const sidecars = ['csi-provisioner', 'csi-resizer', 'csi-snapshotter', 'snapshot-controller'] as const;
export type Sidecar = (typeof sidecars)[number];

/** The volumes of a cluster, and what serves them. */
export interface StorageRecord {
  readonly kinds: readonly StorageKind[];
  /** Our driver, bundled. */
  readonly driverProgram: string;
  readonly sidecars: Readonly<Record<Sidecar, string>>;
  /** Folder of the definitions of snapshots. */
  readonly snapshotDefinitions: string;
}
