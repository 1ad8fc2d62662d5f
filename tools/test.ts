/**
 * npm test: checks, unit tests, then the end-to-end tests on real parts, which it installs and builds first.
 * `--soak` runs the long versions of the fault tests instead.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { terminalProgress } from '../src/cli/terminal-progress.ts';
import { defaultCacheRoot } from '../src/local/layout.ts';
import { openStackClientPackage, openStackPackages } from '../src/local/openstack/packages.ts';
import { ensurePackages } from '../src/local/packages.ts';
import { sidecars } from '../src/local/storage/record.ts';
import { ensureExtraProgram, ensureToolchain } from '../src/local/toolchain/toolchain.ts';
import { cephPackages } from '../test/env/ceph-packages.ts';
import { runChecks } from './checks.ts';
import { runInLanes } from './lanes.ts';
import { conclude, runStep, type StepResult } from './step.ts';

const root = join(import.meta.dirname, '..');
const soak = process.argv.includes('--soak');
const TEST_MS = 1_200_000;
/** Hundreds of kills under an emulated guest take hours. */
const SOAK_MS = 4 * 3_600_000;
/** Of the programs that clusters do not need those that some test builds. */
const MOST_USED = ['helm', 'bridge', 'host-local', ...sidecars, 'csi-sanity'];
/** Names of files or parts of them, to run only these. */
const chosen = process.argv.slice(2).filter((word) => !word.startsWith('--'));

async function prepare(files: readonly string[]): Promise<NodeJS.ProcessEnv> {
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
    ...(files.some((file) => /openstack-mirror|soak\/openstack/.test(file)) ? [...openStackPackages, openStackClientPackage] : []),
  ];
  await ensurePackages({ progress, install: true, extra, environment: process.env });
  const building = { modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress };
  const { binaries, cniPlugins } = await ensureToolchain({ ...building, cniSource: join(root, 'src/bin/yado-cni') });
  // Whoever builds them in the middle makes the one beside it wait.
  if (!soak && chosen.length === 0) for (const name of MOST_USED) await ensureExtraProgram(name, building);
  return { ...process.env, YADO_BIN: binaries, YADO_CNI: cniPlugins['yado-cni'] };
}

function filesOf(folder: string, ending: string): readonly string[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(ending)).sort();
  return names.filter((name) => chosen.length === 0 || chosen.some((word) => name.includes(word))).map((name) => join(folder, name));
}

process.chdir(root);
const files = soak ? filesOf('test/soak', '.ts') : filesOf('test/e2e', '.test.ts');
// Packages come over the network meanwhile.
const [checks, env] = await Promise.all([!soak && chosen.length === 0 ? runChecks() : [], prepare(files)]);
const command = [process.execPath, '--test', `--test-timeout=${soak ? SOAK_MS : TEST_MS}`, '--test-reporter=spec'] as const;
const results: StepResult[] = [...checks];
if (soak) for (const file of files) results.push(await runStep(file, command[0], [...command.slice(1), file], { env }));
else results.push(...await runInLanes(files, { env, command }));
conclude(results);
