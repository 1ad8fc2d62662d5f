import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../base/process.ts';
import { leanEnvironment, leanFlags } from '../../lean-node.ts';
import type { FileTree } from '../file-tree.ts';
import type { OciImage } from '../oci-archive.ts';
import type { LayerBuilder } from './layer.ts';
import type { NodeRuntime } from './node-runtime.ts';

/** What every image but pause has of Debian. */
const basePackages = ['base-files', 'libc6'];
const nodePackages = [...basePackages, 'libgcc-s1', 'libstdc++6'];

const passwd = 'root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n';
const group = 'root:x:0:\nnonroot:x:65532:\nnogroup:x:65534:\n';
/** libvirt looks its default account up, even when it is told to use another. */
const libvirtAccount = { passwd: 'libvirt-qemu:x:64055:64055:QEMU:/var/lib/libvirt:/sbin/nologin\n', group: 'libvirt-qemu:x:64055:\nkvm:x:64056:\n' };

const path = 'PATH=/usr/sbin:/usr/bin';

/** Folders and accounts, and what tells scanners which distribution it is. Nothing that a shell would need. */
function addBase(layer: LayerBuilder, accounts: { readonly passwd: string; readonly group: string } = { passwd: '', group: '' }): void {
  for (const folder of ['dev', 'proc', 'root', 'run', 'sys', 'var/lib', 'usr/bin', 'usr/sbin']) layer.folder(folder);
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) layer.link(name, `usr/${name}`);
  layer.folder('tmp', 0o1777).link('var/run', '../run').link('var/tmp', '../tmp');
  layer.file('etc/passwd', passwd + accounts.passwd).file('etc/group', group + accounts.group).file('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
  layer.fromPackages('etc/os-release', 'etc/debian_version', 'usr/share/common-licenses/');
}

function addNode(layer: LayerBuilder, node: NodeRuntime): void {
  addBase(layer);
  layer.file('usr/bin/node', node.content, 0o755).file('usr/share/doc/node/copyright', node.license);
}

/** Busybox for all that no real program is there for. */
async function addBusybox(layer: LayerBuilder, program: string): Promise<void> {
  layer.fromPackages('usr/bin/busybox');
  for (const applet of (await run(program, ['--list'])).split('\n').filter((name) => name !== '')) {
    if (!layer.has(`usr/bin/${applet}`) && !layer.has(`usr/sbin/${applet}`)) layer.link(`usr/bin/${applet}`, 'busybox');
  }
}

/** What the lower layers are made from. */
export interface Ingredients {
  readonly layer: LayerBuilder;
  /** Path of busybox on this host. */
  readonly busybox: string;
  readonly node: NodeRuntime;
}

/** What is ours. */
export interface OwnFiles {
  /** Bundle of our program; empty where there is none. */
  readonly program: string;
  readonly cniPlugin: Buffer;
}

export interface Recipe {
  readonly title: string;
  readonly packages: readonly string[];
  /** Our program in it, as a file below src/bin. */
  readonly entry?: string;
  readonly hasCniPlugin?: boolean;
  readonly config: Pick<OciImage, 'user' | 'entrypoint' | 'environment'>;
  /** The lower layers, which change with packages only. */
  readonly lower: (from: Ingredients) => Promise<readonly FileTree[]>;
  /** Adds to the uppermost layer, which changes with our sources. */
  readonly upper: (tree: FileTree, own: OwnFiles) => Promise<unknown>;
}

/** As the local cluster runs them. */
function nodeEntrypoint(program: string): readonly string[] {
  return ['/usr/bin/node', ...leanFlags, `/usr/lib/yadokari/${program}.mjs`];
}

export const operatorRecipe: Recipe = {
  title: 'Yadokari operator',
  packages: nodePackages,
  entry: 'yado-operator',
  config: { user: '65532:65532', entrypoint: nodeEntrypoint('yado-operator'), environment: [path, leanEnvironment] },
  lower: async ({ layer, node }) => {
    addNode(layer, node);
    return [await layer.finish()];
  },
  upper: async (tree, { program }) => tree.file('usr/lib/yadokari/yado-operator.mjs', program),
};

/** Python's bindings of Ceph, and Debian's packages that have them. */
const cephBindings = ['usr/bin/python3', 'usr/bin/python3.11', 'usr/lib/python3.11/', ...['rados', 'rbd'].map((name) => `usr/lib/python3/dist-packages/${name}.cpython-311-x86_64-linux-gnu.so`)];
const cephPackages = ['python3-minimal', 'python3-rados', 'python3-rbd', 'python3.11'];

/** Programs that the agent and its drivers call, and those to look into a node with. */
const agentPrograms = [
  'usr/bin/ip', 'usr/sbin/tc', 'usr/sbin/bridge', 'usr/sbin/nft', 'usr/sbin/bird', 'usr/sbin/birdc',
  'usr/bin/nsenter', 'usr/bin/unshare', 'usr/bin/setpriv', 'usr/bin/mount', 'usr/bin/umount', 'usr/bin/flock',
  'usr/bin/genisoimage', 'usr/bin/qemu-img', 'usr/bin/cp', 'usr/bin/tar', 'usr/bin/zstd',
  // A guest of a moment tells whether /dev/kvm works.
  'usr/bin/qemu-system-x86_64', 'usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so', 'usr/share/qemu/kvmvapic.bin',
  // Reads disks of clouds that are qcow2, or in a Ceph.
  'usr/bin/qemu-storage-daemon', ...['curl', 'rbd'].map((name) => `usr/lib/x86_64-linux-gnu/qemu/block-${name}.so`), ...cephBindings,
];

export const agentRecipe: Recipe = {
  title: 'Yadokari node agent',
  packages: [...nodePackages, 'bird2', 'busybox-static', 'coreutils', 'genisoimage', 'iproute2', 'mount', 'nftables', ...cephPackages, 'qemu-block-extra', 'qemu-system-common', 'qemu-system-x86', 'qemu-utils', 'tar', 'util-linux', 'zstd'],
  entry: 'yado-agent',
  hasCniPlugin: true,
  config: { entrypoint: nodeEntrypoint('yado-agent'), environment: [path, leanEnvironment] },
  lower: async ({ layer, node, busybox }) => {
    addNode(layer, node);
    // The same layer as the operator's, so that a node has it once.
    const runtime = await layer.finish();
    layer.fromPackages(...agentPrograms);
    await addBusybox(layer, busybox);
    return [runtime, await layer.finish()];
  },
  upper: async (tree, { program, cniPlugin }) => tree.file('opt/cni/bin/yado-cni', cniPlugin, 0o755).file('usr/lib/yadokari/yado-agent.mjs', program),
};

/** Programs that drivers of volumes call, and what serves volumes where the kernel cannot. */
const csiPrograms = [
  'usr/bin/mount', 'usr/bin/umount', 'usr/sbin/losetup', 'usr/sbin/blockdev', 'usr/sbin/blkid', 'usr/sbin/fsfreeze', 'usr/bin/cp', 'usr/bin/btrfs',
  'usr/sbin/mke2fs', 'usr/sbin/mkfs.ext4', 'usr/sbin/e2fsck', 'usr/sbin/fsck.ext4', 'usr/sbin/resize2fs', 'usr/sbin/dumpe2fs', 'usr/sbin/mkfs.xfs', 'usr/sbin/xfs_growfs', 'usr/sbin/xfs_repair', 'usr/sbin/fsck.xfs', 'usr/sbin/xfs_io',
  'usr/sbin/mount.nfs', 'usr/sbin/mount.nfs4', 'usr/sbin/mount.ceph', 'usr/bin/ceph-fuse', 'usr/bin/fusermount3',
  'usr/bin/qemu-storage-daemon', 'usr/lib/x86_64-linux-gnu/qemu/block-rbd.so',
  ...cephBindings,
  'usr/sbin/drbdadm', 'usr/sbin/drbdsetup', 'usr/sbin/drbdmeta', 'usr/lib/drbd/drbdadm-84', 'usr/lib/drbd/drbdsetup-84', 'usr/sbin/lvm', ...['lvchange', 'lvcreate', 'lvextend', 'lvremove', 'lvs', 'vgs'].map((name) => `usr/sbin/${name}`),
  'usr/sbin/thin_check', 'usr/sbin/blkdiscard', 'usr/bin/setpriv', 'usr/bin/kmod', 'usr/sbin/modprobe',
  'etc/mke2fs.conf', 'etc/drbd.conf',
];

export const csiRecipe: Recipe = {
  title: 'Yadokari drivers of volumes',
  packages: [
    ...nodePackages, 'btrfs-progs', 'busybox-static', 'ceph-common', 'ceph-fuse', 'coreutils', 'drbd-utils', 'e2fsprogs', 'fuse3', 'kmod', 'lvm2', 'mount', 'nfs-common', ...cephPackages,
    'qemu-block-extra', 'qemu-system-common', 'thin-provisioning-tools', 'util-linux', 'xfsprogs',
  ],
  entry: 'yado-csi',
  config: { entrypoint: nodeEntrypoint('yado-csi'), environment: [path, leanEnvironment] },
  lower: async ({ layer, node, busybox }) => {
    addNode(layer, node);
    // The same layer as the operator's, so that a node has it once.
    const runtime = await layer.finish();
    // DRBD's programs lock there, against those that the kernel calls on the host.
    layer.link('var/lock', '../run/lock').fromPackages(...csiPrograms);
    await addBusybox(layer, busybox);
    return [runtime, await layer.finish()];
  },
  upper: async (tree, { program }) => tree.file('usr/lib/yadokari/yado-csi.mjs', program),
};

/** nfs-ganesha for what the kernel has mounted, and what readies its folder. */
const nfsPrograms = ['usr/bin/ganesha.nfsd', 'usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so', 'usr/lib/x86_64-linux-gnu/libnfsidmap/nsswitch.so', 'etc/netconfig', 'usr/bin/btrfs', 'usr/bin/mount', 'usr/bin/umount'];

export const nfsRecipe: Recipe = {
  title: 'NFS server for Yadokari',
  packages: [...nodePackages, 'btrfs-progs', 'busybox-static', 'mount', 'nfs-ganesha', 'nfs-ganesha-vfs'],
  entry: 'yado-nfs',
  config: { entrypoint: nodeEntrypoint('yado-nfs'), environment: [path, leanEnvironment] },
  lower: async ({ layer, node, busybox }) => {
    addNode(layer, node);
    // The same layer as the operator's, so that a node has it once.
    const runtime = await layer.finish();
    // It looks there for what is mounted.
    layer.link('etc/mtab', '../proc/self/mounts').fromPackages(...nfsPrograms);
    await addBusybox(layer, busybox);
    return [runtime, await layer.finish()];
  },
  upper: async (tree, { program }) => tree.file('usr/lib/yadokari/yado-nfs.mjs', program),
};

/** No drivers for networks, filters and pools: they would change the host's own, and nothing here asks for them. */
const libvirtFiles = [
  'usr/sbin/libvirtd', 'usr/bin/virsh', 'usr/lib/libvirt/libvirt_iohelper', 'usr/share/libvirt/',
  'usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so', 'usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_secret.so',
  'usr/bin/qemu-system-x86_64', 'usr/bin/qemu-img', 'usr/lib/qemu/virtiofsd', 'usr/share/qemu/vhost-user/',
  ...['accel-tcg-x86_64', 'hw-display-virtio-gpu', 'hw-display-virtio-gpu-pci', 'hw-display-virtio-vga'].map((name) => `usr/lib/x86_64-linux-gnu/qemu/${name}.so`),
  ...['kvmvapic.bin', 'linuxboot.bin', 'linuxboot_dma.bin', 'multiboot.bin', 'multiboot_dma.bin', 'pvh.bin', 'keymaps/en-us'].map((name) => `usr/share/qemu/${name}`),
  'usr/share/seabios/', 'usr/lib/ipxe/qemu/efi-virtio.rom', 'usr/lib/ipxe/qemu/pxe-virtio.rom',
  'usr/share/qemu/firmware/', ...['CODE_4M', 'CODE_4M.secboot', 'CODE_4M.ms', 'VARS_4M', 'VARS_4M.ms'].map((name) => `usr/share/OVMF/OVMF_${name}.fd`),
  'usr/sbin/dmidecode', 'usr/sbin/tc', 'usr/bin/ip', 'usr/bin/nsenter', 'usr/bin/unshare', 'usr/bin/setpriv',
];

export const libvirtRecipe: Recipe = {
  title: 'libvirt and QEMU for Yadokari',
  packages: [...basePackages, 'busybox-static', 'iproute2', 'libvirt-clients', 'libvirt-daemon', 'libvirt-daemon-driver-qemu', 'ovmf', 'qemu-system-x86', 'qemu-utils', 'util-linux'],
  config: { entrypoint: ['/usr/lib/yadokari/libvirt-container'], environment: [path] },
  lower: async ({ layer, busybox }) => {
    addBase(layer, libvirtAccount);
    layer.fromPackages(...libvirtFiles);
    await addBusybox(layer, busybox);
    return [await layer.finish()];
  },
  upper: async (tree) => {
    for (const name of ['libvirt-container', 'libvirt-host']) tree.file(`usr/lib/yadokari/${name}`, await readFile(join(import.meta.dirname, 'libvirt', name)), 0o755);
  },
};
