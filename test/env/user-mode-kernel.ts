import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { silentProgress } from '../../src/base/progress.ts';
import { run } from '../../src/base/process.ts';
import { unpackPackages } from '../../src/local/images/packages.ts';
import { ensurePackages, type DebianPackage } from '../../src/local/packages.ts';

const PROVIDES: Readonly<Record<string, string>> = { 'xz-utils': 'xz', 'libc6-dev': '/usr/include/stdio.h' };
/** Debian's source of the kernel, and what it takes to build it. */
const SOURCE = 'linux-source-6.1';
const TOOLS: readonly DebianPackage[] = ['gcc', 'make', 'flex', 'bison', 'bc', 'xz-utils', 'libc6-dev'].map((name) => ({ name, purpose: 'builds a kernel', provides: [PROVIDES[name] ?? name] }));
const HOUR = 3_600_000;

/** What nodes and storage need beside the default configuration, all of it built in. */
const OPTIONS = `
NAMESPACES USER_NS PID_NS CGROUPS MEMCG CGROUP_PIDS CFS_BANDWIDTH BPF_SYSCALL CGROUP_BPF SECCOMP_FILTER CHECKPOINT_RESTORE
OVERLAY_FS FUSE_FS TMPFS_XATTR TMPFS_POSIX_ACL EXT4_FS_POSIX_ACL EXT4_FS_SECURITY XFS_FS BTRFS_FS BTRFS_FS_POSIX_ACL ISO9660_FS VFAT_FS NLS_CODEPAGE_437 NLS_ISO8859_1 NLS_UTF8 SQUASHFS SQUASHFS_XZ
NFS_FS NFS_V4 NFS_V4_1 NFS_V4_2 CEPH_FS BLK_DEV_RBD BLK_DEV_DRBD BLK_DEV_LOOP MD BLK_DEV_DM DM_SNAPSHOT DM_THIN_PROVISIONING
TUN VETH BRIDGE MACVLAN VXLAN IPV6 IP_ADVANCED_ROUTER IP_MULTIPLE_TABLES IP_ROUTE_MULTIPATH IPV6_MULTIPLE_TABLES
NETFILTER BRIDGE_NETFILTER NF_CONNTRACK NF_CONNTRACK_ZONES NF_CONNTRACK_EVENTS NF_CT_NETLINK NF_LOG_SYSLOG
NF_TABLES NF_TABLES_INET NF_TABLES_NETDEV NF_TABLES_ARP NF_TABLES_BRIDGE NFT_CT NFT_CONNLIMIT NFT_LOG NFT_LIMIT NFT_MASQ NFT_REDIR NFT_NAT NFT_NUMGEN NFT_QUOTA NFT_REJECT NFT_HASH NFT_FIB_INET NFT_FIB_IPV4 NFT_FIB_IPV6 NFT_COMPAT
NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_COMMENT NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_MARK NETFILTER_XT_MATCH_MULTIPORT NETFILTER_XT_MATCH_STATISTIC
IP_NF_IPTABLES IP_NF_FILTER IP_NF_NAT IP_NF_MANGLE IP_NF_TARGET_MASQUERADE IP_NF_TARGET_REDIRECT IP6_NF_IPTABLES IP6_NF_FILTER IP6_NF_NAT IP6_NF_MANGLE
NET_SCHED NET_SCH_INGRESS NET_SCH_HTB NET_SCH_TBF NET_CLS_U32 NET_CLS_ACT NET_ACT_MIRRED NET_ACT_GACT`;

/** Linux built as a program. */
export interface UserModeKernel {
  /** As a part of a file's name. */
  readonly name: string;
  /** What the build depends on. */
  readonly inputs: readonly string[];
  /** Puts it into an empty folder. */
  readonly build: (folder: string) => Promise<BuiltKernel>;
}

interface BuiltKernel {
  readonly program: string;
  /** The folder that has one of its version; none where all is built in. */
  readonly modules?: string;
}

/** As Debian has it: with clients of NFS and DRBD, and without what networks of pods need. */
export const packagedKernel: UserModeKernel = {
  name: 'packaged', inputs: [],
  build: async (folder) => {
    const [unpacked = ''] = await unpackPackages(['user-mode-linux'], { folder });
    return { program: join(unpacked, 'usr/bin/linux.uml'), modules: join(unpacked, 'usr/lib/uml/modules') };
  },
};

/** Of Debian's source, with all that a node needs; in about 15 minutes of a processor. */
export const nodeKernel: UserModeKernel = { name: 'node', inputs: [SOURCE, OPTIONS], build };

async function build(folder: string): Promise<BuiltKernel> {
  await ensurePackages({ progress: silentProgress, install: true, extra: TOOLS, environment: process.env });
  const [source = ''] = await unpackPackages([SOURCE], { folder });
  await run('tar', ['-xf', join(source, `usr/src/${SOURCE}.tar.xz`), '-C', folder], { timeoutMs: HOUR });
  const tree = join(folder, SOURCE);
  const make = (...args: readonly string[]): Promise<string> => run('make', ['ARCH=um', ...args], { cwd: tree, timeoutMs: HOUR });
  await make('x86_64_defconfig');
  const chosen = OPTIONS.trim().split(/\s+/).map((name) => `CONFIG_${name}=y\n`);
  const config = join(tree, '.config');
  await writeFile(config, `${await readFile(config, 'utf8')}CONFIG_MODULES=n\nCONFIG_DEBUG_KERNEL=n\n${chosen.join('')}`);
  await make('olddefconfig');
  const made = await readFile(config, 'utf8');
  const lacking = chosen.filter((line) => !made.includes(`\n${line}`));
  if (lacking.length > 0) throw new Error(`${SOURCE} does not have ${lacking.join(', ')}`);
  await tellClockSpeed(join(tree, 'arch/um/kernel/um_arch.c'));
  await make(`-j${availableParallelism()}`, 'linux');
  await run('strip', [join(tree, 'linux')]);
  return { program: join(tree, 'linux') };
}

/** A kubelet does not start where /proc/cpuinfo tells of none. */
async function tellClockSpeed(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const line = '\tseq_printf(m, "bogomips';
  if (!text.includes(line)) throw new Error(`${file} has no line for bogomips`);
  await writeFile(file, text.replace(line, `\tseq_printf(m, "cpu MHz\\t\\t: 1000.000\\n");\n${line}`));
}
