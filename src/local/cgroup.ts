import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../base/errors.ts';
import { LocalError } from './errors.ts';
import { abortFuse, fuseConnections } from '../base/fuse-connections.ts';

export interface CgroupHierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** The -o of a mount of the same hierarchy; empty for version 2. */
  readonly mountOptions: string;
}

/** Without which a kubelet does not start. */
const NEEDED = ['cpu', 'cpuset', 'hugetlb', 'memory', 'pids'];

/** Each time somebody else has removed what was there a moment ago. */
const MOST_TRIES = 50;

const generic = /^(rw|ro|nosuid|nodev|noexec|noatime|relatime|xattr|clone_children|release_agent=.*)$/;

/** The hierarchies under /sys/fs/cgroup, read from the text of /proc/self/mounts. */
export function parseHierarchies(mounts: string): readonly CgroupHierarchy[] {
  const found = new Map<string, CgroupHierarchy>();
  for (const line of mounts.split('\n')) {
    const [, mountPoint = '', type = '', options = ''] = line.split(' ');
    if (!/^\/sys\/fs\/cgroup(\/|$)/.test(mountPoint)) continue;
    if (type === 'cgroup2') found.set(mountPoint, { mountPoint, version: 2, mountOptions: '' });
    if (type === 'cgroup') {
      const own = options.split(',').filter((option) => !generic.test(option));
      const named = own.every((option) => option.startsWith('name='));
      found.set(mountPoint, { mountPoint, version: 1, mountOptions: [...(named ? ['none'] : []), ...own].join(',') });
    }
  }
  return [...found.values()];
}

/** Throws LocalError `NoCgroups` where cgroups are not mounted or may not be written. */
export async function detectHierarchies(): Promise<readonly CgroupHierarchy[]> {
  const hierarchies = parseHierarchies(await readFile('/proc/self/mounts', 'utf8'));
  if (hierarchies.length === 0) throw new LocalError('NoCgroups', 'No cgroups are mounted under /sys/fs/cgroup; mount them (in a container: run it with --privileged --cgroupns=host).');
  return hierarchies;
}

/** Makes `path` in every hierarchy, fit for processes and, in version 2, with all controllers handed down to it. Throws LocalError `NoControllers` where that cannot be done. */
export async function ensureCgroup(hierarchies: readonly CgroupHierarchy[], path: string): Promise<void> {
  for (const hierarchy of hierarchies) {
    // The parent of all clusters goes with the last of them, which may be in the middle of this.
    for (let tries = 1; ; tries += 1) {
      try {
        await makeFolders(hierarchy, path);
        break;
      } catch (error) {
        if (!['ENOENT', 'ENODEV'].includes(errnoOf(error) ?? '') || tries === MOST_TRIES) throw error;
      }
    }
    if (hierarchy.version === 2) await expectControllers(hierarchy.mountPoint, join(hierarchy.mountPoint, path));
  }
}

async function makeFolders({ mountPoint, version, mountOptions }: CgroupHierarchy, path: string): Promise<void> {
  let folder = mountPoint;
  for (const part of path.split('/')) {
    if (version === 2) await handDownControllers(folder);
    const parent = folder;
    folder = join(folder, part);
    await mkdir(folder).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
    if (/\bcpuset\b/.test(mountOptions)) await inheritCpuset(parent, folder);
  }
}

async function expectControllers(root: string, folder: string): Promise<void> {
  const [there, here] = await Promise.all([controllersOf(root), controllersOf(folder)]);
  const missing = NEEDED.filter((name) => there.includes(name) && !here.includes(name));
  if (missing.length > 0) throw new LocalError('NoControllers', `The cgroup controllers ${missing.join(', ')} cannot be handed down from ${root} to ${folder}. In a container: run it with --privileged --cgroupns=host.`);
}

async function controllersOf(folder: string): Promise<readonly string[]> {
  return (await readFile(join(folder, 'cgroup.controllers'), 'utf8')).trim().split(' ').filter((name) => name !== '');
}

async function handDownControllers(folder: string): Promise<void> {
  // One by one: a controller that cannot be handed down must not keep back the others.
  for (const name of await controllersOf(folder)) await writeFile(join(folder, 'cgroup.subtree_control'), `+${name}`).catch(() => {});
}

async function inheritCpuset(parent: string, folder: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = await readFile(join(folder, file), 'utf8');
    if (own.trim() === '') await writeFile(join(folder, file), await readFile(join(parent, file), 'utf8'));
  }
}

/** The files that a process writes 0 into in order to enter `path`. */
export function entryFiles(hierarchies: readonly CgroupHierarchy[], path: string): readonly string[] {
  return hierarchies.map((hierarchy) => join(hierarchy.mountPoint, path, 'cgroup.procs'));
}

/** Ids of all processes in `path` and below it, in any hierarchy. */
export async function processesIn(hierarchies: readonly CgroupHierarchy[], path: string): Promise<readonly number[]> {
  const found = new Set<number>();
  for (const hierarchy of hierarchies) {
    for (const folder of await foldersBelow(join(hierarchy.mountPoint, path))) {
      const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
      for (const line of text.split('\n')) if (line !== '' && line !== '0') found.add(Number(line));
    }
  }
  return [...found];
}

/** Kills everything in `path` with SIGKILL and removes it from every hierarchy. No error when it is not there. */
export async function destroyCgroup(hierarchies: readonly CgroupHierarchy[], path: string, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const processes = await processesIn(hierarchies, path);
    const connections = await fuseConnections(processes);
    for (const pid of processes) kill(pid);
    await abortFuse(connections);
    if (processes.length === 0 && (await removeFolders(hierarchies, path))) return;
    if (Date.now() > deadline) {
      throw new LocalError('CgroupBusy', `Processes ${processes.join(', ')} of cgroup ${path} do not end after SIGKILL; they may hang in the kernel. Try again, or restart the host.`, { disposition: 'retry' });
    }
    await delay(20);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

async function removeFolders(hierarchies: readonly CgroupHierarchy[], path: string): Promise<boolean> {
  let clean = true;
  for (const hierarchy of hierarchies) {
    for (const folder of await foldersBelow(join(hierarchy.mountPoint, path))) {
      await rmdir(folder).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') clean = false;
      });
    }
  }
  return clean;
}

/** The folder and all below it, deepest first. */
async function foldersBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [];
  const below = await Promise.all(entries.filter((entry) => entry.isDirectory()).map((entry) => foldersBelow(join(folder, entry.name))));
  return [...below.flat(), folder];
}

/** Removes the parent of all clusters' cgroups once it is empty. */
export async function removeIfEmpty(hierarchies: readonly CgroupHierarchy[], path: string): Promise<void> {
  for (const hierarchy of hierarchies) await rmdir(join(hierarchy.mountPoint, path)).catch(() => {});
}
