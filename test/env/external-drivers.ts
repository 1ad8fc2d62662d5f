/** What Kubernetes' own storage tests are told of a driver: https://github.com/kubernetes/kubernetes/tree/v1.34.4/test/e2e/storage/external */
export interface ExternalDriver {
  readonly name: 'local' | 'rbd' | 'cephfs' | 'nfs';
  /** As in the file that `-storage.testdriver` names. */
  readonly definition: object;
  /** What these tests find that a person knows of, by a part of the test's name: why it cannot pass here. */
  readonly known: Readonly<Record<string, string>>;
}

const both = { persistence: true, fsGroup: true, exec: true, multipods: true, snapshotDataSource: true, pvcDataSource: true, controllerExpansion: true, nodeExpansion: true, readWriteOncePod: true };
const types = (...names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, {}]));
const noNode = 'a snapshot that was there before Kubernetes knew of it has no label that tells the sidecars of which node it is';
const ext4Grows = 'a host without CAP_SYS_RESOURCE cannot let a mounted ext4 grow';
const noLimit = 'what a pod asks for its free space is the file system of the server, which does not count limits of btrfs';

function definition(driver: string, className: string, info: object): object {
  return { ShortName: className, StorageClass: { FromExistingClassName: className }, SnapshotClass: { FromExistingClassName: className }, DriverInfo: { Name: driver, ...info } };
}

export const externalDrivers: readonly ExternalDriver[] = [
  {
    name: 'local',
    definition: definition('local.csi.yadokari.dev', 'local', {
      SupportedSizeRange: { Min: '300Mi' }, SupportedFsType: types('', 'ext4', 'xfs'), TopologyKeys: ['topology.yadokari.dev/node'],
      Capabilities: { ...both, block: true, topology: true, singleNodeVolume: true },
    }),
    known: { 'should resize volume when PVC is edited while pod is using it': ext4Grows, 'should resize volume when PVC is edited and the pod is re-created': ext4Grows, 'Pre-provisioned Snapshot': noNode },
  },
  {
    name: 'rbd',
    definition: definition('ceph.rbd.csi.yadokari.dev', 'ceph', {
      SupportedSizeRange: { Min: '300Mi' }, SupportedFsType: types('', 'ext4', 'xfs'),
      Capabilities: { ...both, block: true, capReadOnlyMany: true },
    }),
    known: { 'should resize volume when PVC is edited while pod is using it': ext4Grows },
  },
  {
    name: 'cephfs',
    definition: definition('ceph.cephfs.csi.yadokari.dev', 'ceph-files', {
      SupportedSizeRange: { Min: '300Mi' }, SupportedFsType: types(''), RequiredAccessModes: ['ReadWriteMany'],
      Capabilities: { ...both, RWX: true, capReadOnlyMany: true, multiplePVsSameID: true },
    }),
    known: {},
  },
  {
    name: 'nfs',
    definition: definition('nfs.csi.yadokari.dev', 'nfs', {
      SupportedSizeRange: { Min: '300Mi' }, SupportedFsType: types(''), RequiredAccessModes: ['ReadWriteMany'],
      Capabilities: { ...both, RWX: true, capReadOnlyMany: true, multiplePVsSameID: true },
    }),
    known: { 'should provision correct filesystem size when restoring snapshot to larger size pvc': noLimit },
  },
];
