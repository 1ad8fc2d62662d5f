import { readFile, stat, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { missing, ok, warn, type Finding } from './check.ts';

const GiB = 1024 ** 3;

export function rootFinding(uid: number | undefined): Finding {
  return uid === 0 ? ok('root', 'yes') : missing('root', `no, user id ${uid ?? 'unknown'}`, 'namespaces and bridges need root: use sudo');
}

export function nodeFinding(version: string): Finding {
  const major = Number(version.split('.')[0]?.replace('v', ''));
  return major >= 24 ? ok('Node.js', version) : missing('Node.js', version, 'Node.js 24 or newer reads TypeScript; `npm install` in the checkout brings one');
}

/** Of the text of /proc/meminfo. */
export function memoryFinding(meminfo: string): Finding {
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) / 1024;
  const found = `${Math.round(available)} MiB available, ${availableParallelism()} processors`;
  if (available < 1024) return missing('memory', found, 'a cluster of one node needs 1 GiB; end something or add memory');
  return available < 2048 ? warn('memory', found, 'each machine needs its own memory and 100 MiB more') : ok('memory', found);
}

/** Soft limit of open files, from the text of /proc/self/limits. */
export function openFilesFinding(limits: string): Finding {
  const [, soft = '0', hard = '0'] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  const most = hard === 'unlimited' ? Infinity : Number(hard);
  if (most < 4096) return missing('open files', `at most ${hard}`, 'raise the hard limit (ulimit -Hn, or nofile in /etc/security/limits.conf) to 4096 or more');
  if (soft !== 'unlimited' && Number(soft) < 4096) return warn('open files', `${soft}, at most ${hard}`, `\`ulimit -n ${Math.min(most, 65_536)}\` before up`);
  return ok('open files', `${soft}, at most ${hard}`);
}

/** Room on the disk of a folder that may not exist yet. */
export async function diskFinding(subject: string, folder: string, neededBytes: number, remedy: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await existingParent(folder));
  const free = bavail * bsize;
  const found = `${(free / GiB).toFixed(1)} GiB free at ${folder}`;
  return free < neededBytes ? missing(subject, `${found}, ${(neededBytes / GiB).toFixed(1)} needed`, remedy) : ok(subject, found);
}

async function existingParent(path: string): Promise<string> {
  return (await stat(path).then(() => true, () => false)) || path === '/' ? path : existingParent(dirname(path));
}

export async function systemdFinding(): Promise<Finding> {
  const first = (await readFile('/proc/1/comm', 'utf8').catch(() => '')).trim();
  return ok('init', first === 'systemd' ? 'systemd (the cluster runs beside it, none of its units are touched)' : `${first === '' ? 'unknown' : first}, no systemd (none is needed)`);
}
