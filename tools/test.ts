/**
 * npm test: checks, unit tests, then the end-to-end tests on real parts, which it installs and builds first.
 * `--soak` runs the long versions of the fault tests instead.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { terminalProgress } from '../src/cli/terminal-progress.ts';
import { defaultCacheRoot } from '../src/local/layout.ts';
import { ensurePackages } from '../src/local/packages.ts';
import { ensureToolchain } from '../src/local/toolchain/toolchain.ts';
import { cephPackages } from '../test/env/ceph-packages.ts';
import { runChecks } from './checks.ts';
import { conclude, runStep, type StepOptions, type StepResult } from './step.ts';

const root = join(import.meta.dirname, '..');
const soak = process.argv.includes('--soak');
const TEST_MS = 1_200_000;
/** Hundreds of kills under an emulated guest take hours. */
const SOAK_MS = 4 * 3_600_000;
/** They need no cluster of nodes and no guest, wait more than they work, and run beside those that do: an hour would not do otherwise. */
const BESIDE = new Set(['chart', 'chart-server', 'csi-ceph', 'csi-local', 'csi-nfs', 'disk-copy', 'go-programs', 'ipam', 'openstack-migration', 'openstack-tenant']);
/** Names of files or parts of them, to run only these. */
const chosen = process.argv.slice(2).filter((word) => !word.startsWith('--'));

async function prepare(): Promise<NodeJS.ProcessEnv> {
  const progress = terminalProgress(process.stderr);
  const extra = [
    { name: 'socat', purpose: 'a peer on the network for tests', provides: ['socat'] },
    { name: 'xfsprogs', purpose: 'volumes whose file system is XFS', provides: ['mkfs.xfs'] },
    { name: 'btrfs-progs', purpose: 'volumes on NFS with quotas and snapshots', provides: ['btrfs', 'mkfs.btrfs'] },
    { name: 'nfs-ganesha', purpose: 'exports volumes by NFS', provides: ['ganesha.nfsd'] },
    { name: 'nfs-ganesha-vfs', purpose: 'exports volumes by NFS from any file system', provides: ['/usr/lib/*/ganesha/libfsalvfs.so'] },
    { name: 'libnfs-utils', purpose: 'a client of NFS that needs no kernel', provides: ['nfs-ls', 'nfs-cat', 'nfs-cp'] },
    { name: 'drbd-utils', purpose: 'volumes that nodes replicate', provides: ['drbdadm', 'drbdsetup', 'drbdmeta'] },
    { name: 'lvm2', purpose: 'what such volumes lie on', provides: ['lvs', 'lvcreate', 'vgcreate'] },
    { name: 'thin-provisioning-tools', purpose: 'thin pools of LVM', provides: ['thin_check'] },
    { name: 'qemu-system-common', purpose: "shows this machine's files to a guest", provides: ['/usr/lib/qemu/virtiofsd'] },
    // Nothing may be installed while nodes run, whose file systems lie on this machine's.
    ...cephPackages,
  ];
  await ensurePackages({ progress, install: true, extra, environment: process.env });
  const { binaries, cniPlugins } = await ensureToolchain({
    modules: join(root, 'deploy/toolchain'), cniSource: join(root, 'src/bin/yado-cni'), cache: defaultCacheRoot, environment: process.env, progress,
  });
  return { ...process.env, YADO_BIN: binaries, YADO_CNI: cniPlugins['yado-cni'] };
}

function filesOf(folder: string, ending: string): readonly string[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(ending)).sort();
  return names.filter((name) => chosen.length === 0 || chosen.some((word) => name.includes(word))).map((name) => join(folder, name));
}

const isBeside = (file: string): boolean => BESIDE.has(basename(file).replace(/\.test\.ts$/, ''));

/** One file at a time: what one leaves behind the next would be blamed for. */
async function runFiles(files: readonly string[], command: readonly string[], options: StepOptions): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  for (const file of files) {
    const [program, ...args] = [...command, process.execPath, '--test', `--test-timeout=${soak ? SOAK_MS : TEST_MS}`, '--test-reporter=spec', file];
    results.push(await runStep(file, program, args, options));
  }
  return results;
}

const results: StepResult[] = [];
if (!soak && chosen.length === 0) results.push(...await runChecks());
const env = await prepare();
process.chdir(root);
const files = soak ? filesOf('test/soak', '.ts') : filesOf('test/e2e', '.test.ts');
// Mounts of the ones are not copied to the nodes of the others, which would keep them busy; and guests go first.
const aside = ['unshare', '--mount', '--propagation', 'private', 'nice', '-n', '10'];
const lanes = await Promise.all([runFiles(files.filter((file) => !isBeside(file)), [], { env }), runFiles(files.filter(isBeside), aside, { env, beside: true })]);
conclude([...results, ...lanes.flat()]);
