import { readdir, readFile, writeFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;

/** Processes that run this program with an argument that has this text: what a process is about is all that tells whose it is. */
export async function processesOf(program: string, text: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(async (pid) => {
    const [path = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    return basename(path) === program && args.some((arg) => arg.includes(text)) ? [Number(pid)] : [];
  }));
  return found.flat();
}

/** Waits until they are gone; those that are still there after this long are killed. */
export async function endProcesses(program: string, text: string, patienceMs: number): Promise<void> {
  for (const killAt = Date.now() + patienceMs; ; await delay(POLL_MS)) {
    const left = await processesOf(program, text);
    if (left.length === 0) return;
    if (Date.now() >= killAt) for (const pid of left) end(pid);
  }
}

/**
 * What serves volumes goes on when the driver's container is killed: all that is in the container's cgroup would end
 * with it. Outside of containers there is nothing to do.
 */
export async function leaveContainer(program: string, text: string): Promise<void> {
  const folders = await groupsBeside('/proc/self/cgroup');
  const pids = folders.length === 0 ? [] : await processesOf(program, text);
  for (const folder of folders) {
    // A controller that may not be used, or is not mounted here, ends nothing.
    await mkdir(folder, { recursive: true }).then(async () => {
      for (const pid of pids) await writeFile(join(folder, 'cgroup.procs'), String(pid));
    }).catch(() => {});
  }
}

async function groupsBeside(file: string): Promise<readonly string[]> {
  return groupsOutside((await readFile(file, 'utf8')).trimEnd().split('\n'));
}

/** Folders of cgroups beside those of all pods, for lines of /proc/self/cgroup: https://man7.org/linux/man-pages/man7/cgroups.7.html */
export function groupsOutside(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const outside = /^(.*?)\/kubepods/.exec(path)?.[1];
    if (outside === undefined) return [];
    const roots = controllers === '' ? ['', 'unified'] : [controllers.replace(/^name=/, '')];
    return roots.map((root) => join('/sys/fs/cgroup', root, outside, 'yadokari-volumes'));
  });
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}
