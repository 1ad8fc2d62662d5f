import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentProgress } from '../../src/base/progress.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import { serverPackages, storagePackages } from '../../src/local/storage/packages.ts';
import { ensureStorage } from '../../src/local/storage/programs.ts';
import { runUnderDebianKernel } from './kernel-guest.ts';

const root = join(import.meta.dirname, '../..');
const MODULES = [
  'nfs', 'nfsv4', 'btrfs', 'loop', 'xfs',
  'tun', 'br_netfilter', 'vxlan', 'fuse', 'nf_tables', 'nft_chain_nat', 'nft_ct', 'nft_nat', 'nft_masq', 'nft_redir', 'nft_limit', 'nft_log', 'nft_hash', 'nft_numgen', 'nft_reject_inet', 'nft_reject_ipv4', 'nft_fib_inet', 'nft_fib_ipv4',
  'nft_compat', 'nf_conntrack_netlink', 'xt_comment', 'xt_mark', 'xt_conntrack', 'xt_addrtype', 'xt_nat', 'xt_MASQUERADE', 'xt_statistic', 'xt_tcpudp', 'xt_multiport', 'iptable_filter', 'iptable_nat',
];
/** A script in a file, since a kernel's command line is short. This machine's files become the root of the mount namespace, which nsenter goes by, and not only that of a process. */
const fromTheRoot = (file: string): string => `cp ${file} /run/script
exec chroot /proc/1/root /bin/busybox sh -c 'cd /new && mount --move . / && exec chroot . /bin/sh -c "/bin/sh /run/script; echo ended with \\$?"'`;

/** Modules are loaded at once: the kernel looks for them where the guest began, and not on this machine's files. Modules that others have made for Go stay in sight, since there is no network. */
const begin = `set -e
modprobe -a ${MODULES.join(' ')}
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/go /root/go
mount --bind /root/go /run/go
for folder in /tmp /root /var/lib/yado /var/log; do mkdir -p $folder; mount -t tmpfs -o size=3g tmpfs $folder; done
export HOME=/root KUBECONFIG=/root/.kube/config GOPATH=/run/go PATH='${process.env['PATH']}'
cd ${root}
kubectl=$(find /var/cache/yadokari/toolchain -name kubectl | head -n 1)
# What is emulated is slower than what waits for it, or ends in the middle; each of these can be repeated.
patiently() { "$@" || "$@" || "$@"; }
`;

/** Installs and builds what a cluster with a server of NFS takes: there is no network where it runs. */
export async function prepareNfs(): Promise<void> {
  const packages = [...storagePackages(['local', 'nfs']), ...serverPackages(['nfs'])];
  await ensurePackages({ progress: silentProgress, install: true, extra: packages, environment: process.env });
  await ensureStorage({ kinds: ['local', 'nfs'], servers: ['nfs'] }, { projectRoot: root, modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress });
}

/** Runs a shell script on a host as most are: Debian's kernel, with cgroups of version 2 alone, emulated. What it prints; throws unless all of it went well. */
export async function onOtherKernel(script: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yado-other-kernel-'));
  try {
    const file = join(folder, 'script');
    await writeFile(file, begin + script);
    const { exitCode, output } = await runUnderDebianKernel(fromTheRoot(file), { memoryMiB: 8192, processors: 2, timeoutMs, more: MODULES, onOutput: (text) => process.stdout.write(text) });
    assert.equal(exitCode, 0, output.slice(-4000));
    return output;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
