import type { DebianPackage } from '../packages.ts';
import type { StorageKind, StorageServer } from './record.ts';

/** A host without CAP_SYS_RESOURCE lets an XFS grow in use, and no ext4. */
const FILE_SYSTEMS: readonly DebianPackage[] = [
  { name: 'e2fsprogs', purpose: 'ext4 on volumes', provides: ['mkfs.ext4', 'e2fsck', 'resize2fs', 'dumpe2fs'] },
  { name: 'xfsprogs', purpose: 'XFS on volumes', provides: ['mkfs.xfs', 'xfs_growfs'] },
];

const PACKAGES: Readonly<Record<StorageKind, readonly DebianPackage[]>> = {
  local: FILE_SYSTEMS,
  nfs: [],
  ceph: [
    ...FILE_SYSTEMS,
    { name: 'ceph-common', purpose: 'mounts CephFS where the kernel can', provides: ['mount.ceph'] },
    { name: 'ceph-fuse', purpose: 'mounts CephFS where the kernel cannot', provides: ['ceph-fuse'] },
    { name: 'python3-rados', purpose: "the driver's connection to Ceph", provides: ['/usr/share/doc/python3-rados/copyright'] },
    { name: 'python3-rbd', purpose: 'images of Ceph', provides: ['/usr/share/doc/python3-rbd/copyright'] },
    { name: 'qemu-system-common', purpose: 'images of Ceph where the kernel cannot map them', provides: ['qemu-storage-daemon'] },
    { name: 'qemu-block-extra', purpose: "QEMU's driver of Ceph", provides: ['/usr/lib/*/qemu/block-rbd.so'] },
  ],
};

const SERVERS: Readonly<Record<StorageServer, readonly DebianPackage[]>> = {
  nfs: [
    { name: 'nfs-ganesha', purpose: 'exports volumes by NFS', provides: ['ganesha.nfsd'] },
    { name: 'nfs-ganesha-vfs', purpose: 'exports volumes by NFS from any file system', provides: ['/usr/lib/*/ganesha/libfsalvfs.so'] },
    { name: 'btrfs-progs', purpose: 'volumes on NFS with quotas and snapshots', provides: ['btrfs', 'mkfs.btrfs'] },
  ],
  ceph: [
    { name: 'ceph-mon', purpose: 'monitors of Ceph', provides: ['ceph-mon', 'monmaptool'] },
    { name: 'ceph-mgr', purpose: 'managers of Ceph', provides: ['ceph-mgr'] },
    { name: 'ceph-mgr-modules-core', purpose: 'subvolumes of CephFS', provides: ['/usr/share/ceph/mgr/volumes/module.py'] },
    { name: 'ceph-osd', purpose: 'disks of Ceph', provides: ['ceph-osd'] },
    { name: 'ceph-mds', purpose: 'file systems of Ceph', provides: ['ceph-mds'] },
    { name: 'ceph-common', purpose: 'commands of Ceph', provides: ['ceph', 'rbd', 'ceph-authtool'] },
  ],
};

/** What the host needs for servers of these kinds. */
export function serverPackages(servers: readonly StorageServer[]): readonly DebianPackage[] {
  return servers.flatMap((server) => SERVERS[server]);
}

/** What nodes need for volumes of these kinds. */
export function storagePackages(kinds: readonly StorageKind[]): readonly DebianPackage[] {
  return [...new Set(kinds.flatMap((kind) => PACKAGES[kind]))];
}
