import type { DebianPackage } from '../../src/local/packages.ts';
import { serverPackages } from '../../src/local/storage/packages.ts';

/** What a cluster of Ceph and its clients take on a Debian machine. */
export const cephPackages: readonly DebianPackage[] = [
  ...serverPackages(['ceph']),
  { name: 'ceph-fuse', purpose: 'mounts CephFS where the kernel cannot', provides: ['ceph-fuse', 'mount.fuse.ceph'] },
  { name: 'python3-rados', purpose: "the driver's connection to Ceph", provides: ['/usr/lib/python3/dist-packages/rados.cpython-311-*.so'] },
  { name: 'python3-rbd', purpose: 'images of Ceph', provides: ['/usr/lib/python3/dist-packages/rbd.cpython-311-*.so'] },
  { name: 'qemu-system-common', purpose: 'images as files where the kernel cannot map them', provides: ['qemu-storage-daemon'] },
  { name: 'qemu-block-extra', purpose: "QEMU's driver of Ceph", provides: ['/usr/lib/*/qemu/block-rbd.so'] },
];
