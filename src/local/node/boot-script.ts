import type { CgroupHierarchy } from '../cgroup.ts';

/** Folders that each node has for itself, at the paths where a production host has them. */
export const privateFolders = [
  '/var/lib/kubelet', '/var/lib/containerd', '/var/lib/libvirt', '/var/lib/yadokari', '/var/lib/cni', '/var/lib/calico',
  '/var/log/pods', '/var/log/containers', '/var/log/libvirt', '/var/log/yadokari', '/var/cache/libvirt',
  '/etc/libvirt', '/etc/cni', '/etc/containerd', '/etc/yadokari', '/opt/cni',
] as const;

export interface BootOptions {
  readonly hostname: string;
  /** Folder on the host that has a copy of each private folder, such as `<folder>/var/lib/kubelet`. */
  readonly folder: string;
  readonly hierarchies: readonly CgroupHierarchy[];
  /** Whether pods are ports of a bridge: replies between them must then pass the packet filter, or services do not work. */
  readonly bridged: boolean;
}

/**
 * What PID 1 of a node does before it becomes tini: a shell script for `unshare`'s new namespaces. It prints `booted` at its end.
 * /run is a tmpfs, so that a crash is a reboot; cgroups are mounted anew, rooted at the node's own. Over /etc lies a layer
 * of the node's own: a file that was mounted upon one of the host's is gone from the node as soon as the host replaces
 * that, as each package does that adds a user.
 */
export function bootScript(options: BootOptions): string {
  const { hostname, folder, hierarchies, bridged } = options;
  return `set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
${hierarchies.some((hierarchy) => hierarchy.mountPoint !== '/sys/fs/cgroup') ? 'mount -t tmpfs -o mode=755,size=1m tmpfs /sys/fs/cgroup' : ''}
${hierarchies.map(mountLines).join('\n')}
resolv=$(readlink -f /etc/resolv.conf || echo /etc/resolv.conf)
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns /run/yadokari /run/containerd /run/libvirt /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work etc /etc
${privateFolders.map((path) => `mount --bind ${quote(folder + path)} ${path}`).join('\n')}
cp /etc/yadokari/passwd /etc/yadokari/group /etc/
case "$resolv" in
  /etc/*|/run/*) mkdir -p "$(dirname "$resolv")"; cp /etc/yadokari/resolv.conf "$resolv";;
  *) mount --bind /etc/yadokari/resolv.conf "$resolv";;
esac
mount --make-rshared /
hostname ${quote(hostname)}
echo 1 > /proc/sys/net/ipv4/ip_forward
for f in /proc/sys/net/bridge/bridge-nf-call-iptables /proc/sys/net/bridge/bridge-nf-call-ip6tables; do if [ -e $f ]; then echo ${bridged ? 1 : 0} > $f; fi; done
echo booted
exec tini -- sleep infinity
`;
}

function mountLines(hierarchy: CgroupHierarchy): string {
  const at = quote(hierarchy.mountPoint);
  if (hierarchy.version === 1) {
    const aliases = hierarchy.mountOptions.includes(',') && !hierarchy.mountOptions.startsWith('none')
      ? hierarchy.mountOptions.split(',').map((controller) => `ln -sfn ${at} /sys/fs/cgroup/${controller}`) : [];
    return [`mkdir -p ${at}`, `mount -t cgroup -o ${hierarchy.mountOptions} cgroup ${at}`, ...aliases].join('\n');
  }
  // Processes may only be in leaves, once controllers are handed down.
  return `mkdir -p ${at}
mount -t cgroup2 cgroup2 ${at}
mkdir -p ${at}/init
echo 0 > ${at}/init/cgroup.procs
for c in $(cat ${at}/cgroup.controllers); do echo +$c > ${at}/cgroup.subtree_control || true; done`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
