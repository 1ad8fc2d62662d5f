import type { DebianPackage } from '../packages.ts';
import type { StorageKind } from './record.ts';

const PACKAGES: Readonly<Record<StorageKind, readonly DebianPackage[]>> = {
  local: [],
  nfs: [],
  ceph: [
    { name: 'ceph-common', purpose: 'mounts CephFS where the kernel can', provides: ['mount.ceph'] },
    { name: 'ceph-fuse', purpose: 'mounts CephFS where the kernel cannot', provides: ['ceph-fuse'] },
    { name: 'python3-rados', purpose: "the driver's connection to Ceph", provides: ['/usr/share/doc/python3-rados/copyright'] },
    { name: 'python3-rbd', purpose: 'images of Ceph', provides: ['/usr/share/doc/python3-rbd/copyright'] },
    { name: 'qemu-system-common', purpose: 'images of Ceph where the kernel cannot map them', provides: ['qemu-storage-daemon'] },
    { name: 'qemu-block-extra', purpose: "QEMU's driver of Ceph", provides: ['/usr/lib/*/qemu/block-rbd.so'] },
  ],
};

/** What nodes need for volumes of these kinds. */
export function storagePackages(kinds: readonly StorageKind[]): readonly DebianPackage[] {
  return kinds.flatMap((kind) => PACKAGES[kind]);
}
