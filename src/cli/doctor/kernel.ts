import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { CommandError, run } from '../../base/process.ts';
import { detectHierarchies, type CgroupHierarchy } from '../../local/cgroup.ts';
import { drbdVersion } from '../../local/storage/servers/drbd.ts';
import { MappedImages } from '../../storage/drivers/ceph/mapped-images.ts';
import { lackOfNfsClient } from '../../storage/drivers/nfs/nfs-client.ts';
import { missing, ok, warn, type Finding } from './check.ts';

interface Feature {
  readonly name: string;
  /** Succeeds where the kernel has it; runs in namespaces of its own, which go with it. */
  readonly script: string;
  readonly module: string;
}

const features: readonly Feature[] = [
  { name: 'network namespaces', script: 'ip link set lo up', module: 'CONFIG_NET_NS' },
  { name: 'PID and UTS namespaces', script: 'unshare --pid --fork --uts --ipc --cgroup true', module: 'CONFIG_PID_NS, CONFIG_UTS_NS, CONFIG_CGROUPS' },
  { name: 'veth', script: 'ip link add yv0 type veth peer name yv1', module: 'veth' },
  { name: 'bridge', script: 'ip link add yb0 type bridge', module: 'bridge' },
  { name: 'tap', script: 'ip tuntap add yt0 mode tap', module: 'tun' },
  { name: 'nftables NAT', script: "nft 'add table ip y; add chain ip y p { type nat hook postrouting priority srcnat; }; add rule ip y p masquerade'", module: 'nf_tables, nft_masq and nft_chain_nat' },
  { name: 'nftables conntrack', script: "nft 'add table inet y; add chain inet y f { type filter hook forward priority 0; }; add rule inet y f ct state established accept'", module: 'nft_ct' },
  { name: 'overlayfs', script: 'mount -t tmpfs tmpfs /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && mount -t overlay -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/m', module: 'overlay' },
];

/** Tries each feature for real, in throwaway namespaces. */
export function kernelFindings(signal: AbortSignal): Promise<readonly Finding[]> {
  return Promise.all(features.map(async ({ name, script, module }) => {
    try {
      await run('unshare', ['--net', '--mount', 'sh', '-c', script], { timeoutMs: 10_000, signal });
      return ok(name, 'works');
    } catch (error) {
      signal.throwIfAborted();
      const last = error instanceof CommandError ? (error.stderr.trim().split('\n').at(-1) ?? '') : '';
      return missing(name, last === '' ? messageOf(error) : last, `the kernel must have it: modprobe, or a kernel with ${module}; in a container run it with --privileged`);
    }
  }));
}

/** Only pods with volumes on NFS need it. */
export async function nfsFinding(): Promise<Finding> {
  const lack = await lackOfNfsClient();
  return lack === undefined ? ok('NFS client', 'works') : warn('NFS client', 'none in this kernel', `${lack}; without one, volumes on NFS are made but pods cannot mount them`);
}

/** Images of Ceph are devices of the kernel where it can, and of a program otherwise. */
export async function cephFinding(): Promise<Finding> {
  return await MappedImages.isOffered()
    ? ok('Ceph images', 'mapped by the kernel')
    : ok('Ceph images', 'by qemu-storage-daemon, since this kernel has no module rbd: they work, with more on the way (Debian: linux-image-amd64, Ubuntu: linux-modules-extra)');
}

/** Nothing that the product runs by itself needs it. */
export async function drbdFinding(): Promise<Finding> {
  const version = await drbdVersion();
  return ok('DRBD', `${version === undefined ? 'none in this kernel' : version}; only StorageBackends of kind drbd need it, which local clusters cannot try out (docs/drbd.md)`);
}

const NEEDED = ['cpu', 'memory', 'pids'] as const;
/** In version 1 a kubelet does not start without it; in version 2 it makes do with what there is. Kernels for one processor have none. */
const NEEDED_IN_FIRST = ['cpu', 'cpuset', 'memory', 'pids'] as const;

/** Which controllers the hierarchies have, given what /sys/fs/cgroup/cgroup.controllers of version 2 lists. */
export function cgroupVerdict(hierarchies: readonly CgroupHierarchy[], unifiedControllers: readonly string[]): Finding {
  const first = hierarchies.filter(({ version }) => version === 1);
  const second = hierarchies.some(({ version }) => version === 2);
  const controllers = new Set([...first.flatMap(({ mountOptions }) => mountOptions.split(',')), ...unifiedControllers]);
  const kind = first.length === 0 ? 'version 2' : second ? 'hybrid: version 1 with a unified tree' : 'version 1';
  const needed = first.length === 0 ? NEEDED : NEEDED_IN_FIRST;
  const lacking = needed.filter((name) => !controllers.has(name));
  return lacking.length > 0
    ? missing('cgroups', `${kind}, without ${lacking.join(', ')}`, `turn the controllers on: cgroup_enable=${lacking[0]} on the kernel's command line, or delegate them to this container`)
    : ok('cgroups', `${kind}, with ${needed.join(', ')}`);
}

export async function cgroupFinding(): Promise<Finding> {
  try {
    const hierarchies = await detectHierarchies();
    const unified = hierarchies.find(({ version }) => version === 2);
    const text = unified === undefined ? '' : await readFile(join(unified.mountPoint, 'cgroup.controllers'), 'utf8');
    return cgroupVerdict(hierarchies, text.trim().split(' '));
  } catch (error) {
    return missing('cgroups', 'none', messageOf(error));
  }
}

/** Bridged packets that pass through a dropping FORWARD chain, as Docker sets it. */
export function forwardVerdict(callsIptables: boolean, forwardChain: string): Finding {
  const drops = forwardChain.includes('policy drop');
  const found = `FORWARD ${drops ? 'drops by default' : 'accepts'}, bridged packets ${callsIptables ? 'pass' : 'do not pass'} it`;
  return drops && callsIptables
    ? warn('host firewall', found, 'up adds accept rules for its own bridge and down removes them; other tools that reload the firewall remove them too')
    : ok('host firewall', found);
}

export async function forwardFinding(): Promise<Finding> {
  const calls = await readFile('/proc/sys/net/bridge/bridge-nf-call-iptables', 'utf8').catch(() => '0');
  return forwardVerdict(calls.trim() === '1', await run('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD'], { timeoutMs: 10_000 }).catch(() => ''));
}
