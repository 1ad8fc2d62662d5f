/**
 * Kinds of volumes that a local cluster can have. `local` is there at once; for the others the drivers wait for a
 * StorageBackend of that name, which says where the server is.
 */
export const storageKinds = ['local', 'nfs', 'ceph'] as const;
export type StorageKind = (typeof storageKinds)[number];

/** Servers of volumes that a local cluster can run itself, for trying out. */
export const storageServers = ['nfs', 'ceph'] as const satisfies readonly StorageKind[];
export type StorageServer = (typeof storageServers)[number];

/** Kubernetes' own programs beside a CSI driver. */
export const sidecars = ['csi-provisioner', 'csi-attacher', 'csi-resizer', 'csi-snapshotter', 'snapshot-controller'] as const;
export type Sidecar = (typeof sidecars)[number];

/** The volumes of a cluster, and what serves them. */
export interface StorageRecord {
  readonly kinds: readonly StorageKind[];
  /** Absent: none. */
  readonly servers?: readonly StorageServer[];
  /** Our driver, bundled. */
  readonly driverProgram: string;
  /** Our keeper of nfs-ganesha, bundled; there is one when `nfs` is among the servers. */
  readonly nfsProgram?: string;
  readonly sidecars: Readonly<Record<Sidecar, string>>;
  /** Folder of the definitions of snapshots. */
  readonly snapshotDefinitions: string;
}
