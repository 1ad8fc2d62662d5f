import type { DebianPackage } from '../../src/local/packages.ts';

/** What a cluster of Ceph and its clients take on a Debian machine. */
export const cephPackages: readonly DebianPackage[] = [
  { name: 'ceph-mon', purpose: 'monitors of Ceph', provides: ['ceph-mon', 'monmaptool'] },
  { name: 'ceph-mgr', purpose: 'managers of Ceph', provides: ['ceph-mgr'] },
  { name: 'ceph-mgr-modules-core', purpose: 'subvolumes of CephFS', provides: ['/usr/share/ceph/mgr/volumes/module.py'] },
  { name: 'ceph-osd', purpose: 'disks of Ceph', provides: ['ceph-osd'] },
  { name: 'ceph-mds', purpose: 'file systems of Ceph', provides: ['ceph-mds'] },
  { name: 'ceph-common', purpose: 'commands of Ceph, for tests', provides: ['ceph', 'rbd', 'ceph-authtool'] },
  { name: 'ceph-fuse', purpose: 'mounts CephFS where the kernel cannot', provides: ['ceph-fuse', 'mount.fuse.ceph'] },
  { name: 'python3-rados', purpose: "the driver's connection to Ceph", provides: ['/usr/lib/python3/dist-packages/rados.cpython-311-*.so'] },
  { name: 'python3-rbd', purpose: 'images of Ceph', provides: ['/usr/lib/python3/dist-packages/rbd.cpython-311-*.so'] },
  { name: 'qemu-system-common', purpose: 'images as files where the kernel cannot map them', provides: ['qemu-storage-daemon'] },
  { name: 'qemu-block-extra', purpose: "QEMU's driver of Ceph", provides: ['/usr/lib/*/qemu/block-rbd.so'] },
];
