import { accessSync, constants } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { CommandError, run } from '../base/process.ts';
import type { Progress } from '../base/progress.ts';
import { LocalError } from './errors.ts';

export interface DebianPackage {
  readonly name: string;
  /** What it is for, in a few words. */
  readonly purpose: string;
  /** Programs, or absolute paths of files, whose presence means that nothing need be installed. */
  readonly provides: readonly string[];
}

export const debianPackages: readonly DebianPackage[] = [
  { name: 'containerd', purpose: 'runs containers on nodes', provides: ['containerd', 'ctr'] },
  { name: 'runc', purpose: "containerd's runtime", provides: ['runc'] },
  { name: 'libvirt-daemon', purpose: 'runs virtual machines on nodes', provides: ['libvirtd'] },
  { name: 'libvirt-daemon-driver-qemu', purpose: "libvirt's QEMU driver", provides: ['/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so'] },
  { name: 'libvirt-clients', purpose: 'virsh, to look into nodes', provides: ['virsh'] },
  { name: 'qemu-system-x86', purpose: 'the machines themselves', provides: ['qemu-system-x86_64'] },
  { name: 'qemu-utils', purpose: 'makes and converts disks', provides: ['qemu-img'] },
  { name: 'qemu-system-common', purpose: 'reads images of clouds', provides: ['qemu-storage-daemon'] },
  { name: 'qemu-block-extra', purpose: "QEMU's driver of images over HTTP", provides: ['/usr/lib/*/qemu/block-curl.so'] },
  { name: 'iproute2', purpose: 'namespaces, bridges and routes', provides: ['ip', 'tc'] },
  { name: 'nftables', purpose: 'masquerade, services and policies', provides: ['nft'] },
  { name: 'bird2', purpose: 'routes between nodes', provides: ['bird', 'birdc'] },
  { name: 'tini', purpose: 'PID 1 of nodes', provides: ['tini'] },
  { name: 'conntrack', purpose: 'kube-proxy ends stale connections', provides: ['conntrack'] },
  { name: 'busybox-static', purpose: 'the contents of our small images', provides: ['busybox'] },
  { name: 'genisoimage', purpose: 'cloud-init seeds', provides: ['genisoimage'] },
  { name: 'kmod', purpose: 'loads kernel modules where there are any', provides: ['modprobe'] },
  { name: 'util-linux', purpose: 'enters namespaces', provides: ['nsenter', 'unshare', 'setpriv', 'flock'] },
  { name: 'mount', purpose: 'mounts', provides: ['mount'] },
  { name: 'procps', purpose: 'process tools', provides: ['sysctl'] },
];

/** Whether a program is on the path, or a file is there; stars stand for one folder's name. */
export type Presence = (what: string) => boolean;

/** Packages of which something is missing. */
export function missingPackages(packages: readonly DebianPackage[], present: Presence): readonly DebianPackage[] {
  return packages.filter(({ provides }) => !provides.every(present));
}

export function presenceOn(path: string, architectures: readonly string[] = ['x86_64-linux-gnu', 'aarch64-linux-gnu']): Presence {
  const folders = [...new Set([...path.split(':'), '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'])].filter((folder) => folder !== '');
  const readable = (file: string, mode: number) => {
    try {
      accessSync(file, mode);
      return true;
    } catch {
      return false;
    }
  };
  return (what) => (what.startsWith('/')
    ? architectures.some((architecture) => readable(what.replace('*', architecture), constants.R_OK))
    : folders.some((folder) => readable(join(folder, what), constants.X_OK)));
}

export interface EnsurePackagesOptions {
  readonly progress: Progress;
  /** False: say what is missing instead of installing it. */
  readonly install: boolean;
  /** What this caller needs beside the cluster's own packages. */
  readonly extra?: readonly DebianPackage[];
  readonly environment: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Installs what is missing of the Debian packages, without starting any service. */
export async function ensurePackages(options: EnsurePackagesOptions): Promise<void> {
  const present = presenceOn(options.environment['PATH'] ?? '');
  const packages = [...debianPackages, ...(options.extra ?? [])];
  const missing = missingPackages(packages, present);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  const byHand = `apt-get install --no-install-recommends ${names.join(' ')}`;
  if (!options.install || !present('apt-get')) throw new LocalError('PackagesMissing', `Programs are missing on this host. On Debian or Ubuntu: ${byHand}; elsewhere install what provides ${missing.flatMap(({ provides }) => provides).join(', ')}.`);
  for (const { name, purpose } of missing) options.progress.line(`Installing ${name}: ${purpose}`);
  await options.progress.step(`Installing ${names.length === 1 ? names[0] : `${names.length} Debian packages`}`, async (step) => {
    await install(names, byHand, options, (text) => step.update(text));
  });
  const still = missingPackages(packages, present);
  if (still.length > 0) throw new LocalError('PackagesMissing', `${still.map(({ name }) => name).join(', ')} did not bring ${still.flatMap(({ provides }) => provides).filter((what) => !present(what)).join(', ')}; install them in another way.`);
}

const policyPath = '/usr/sbin/policy-rc.d';

/** Packages must not start daemons of the host: 101 forbids it. True when the policy is ours, false when there was one, which is respected. */
async function forbidServiceStarts(): Promise<boolean> {
  try {
    await writeFile(policyPath, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function install(names: readonly string[], byHand: string, options: EnsurePackagesOptions, update: (text: string) => void): Promise<void> {
  const ownPolicy = await forbidServiceStarts();
  try {
    const env = { ...options.environment, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
    const apt = (...args: readonly string[]) => run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], { env, timeoutMs: 900_000, ...(options.signal === undefined ? {} : { signal: options.signal }) });
    const packages = ['install', '-y', '--no-install-recommends', ...names];
    update('downloading');
    try {
      await apt(...packages);
    } catch (first) {
      if (!(first instanceof CommandError) || !/Unable to locate|404|no installation candidate|Unable to fetch/i.test(first.stderr)) throw first;
      update('refreshing the package lists');
      await apt('update');
      await apt(...packages);
    }
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new LocalError('PackageInstallFailed', `Debian's packages could not be installed; check that the mirrors in /etc/apt/sources.list answer and the disk has room, then try: apt-get update && ${byHand}`, { cause });
  } finally {
    if (ownPolicy) await rm(policyPath, { force: true });
  }
}
