import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { run } from '../base/process.ts';

export interface Mount {
  readonly target: string;
  readonly type: string;
  /** A device, or whatever the file system calls its origin. */
  readonly source: string;
  /** Numbers of the file system's device, such as `0:53`: known also where nobody serves it any more. */
  readonly device: string;
  readonly readOnly: boolean;
}

/** Mounts of this process's namespace, the last made last. */
export async function mounts(): Promise<readonly Mount[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    // https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: optional fields end with a dash.
    const [head = '', tail = ''] = line.split(' - ');
    const [, , device = '', , target = '', options = ''] = head.split(' ');
    const [type = '', source = ''] = tail.split(' ');
    return { target: plain(target), type, source: plain(source), device, readOnly: options.split(',').includes('ro') };
  });
}

/** What is mounted at exactly this path. */
export async function mountAt(target: string): Promise<Mount | undefined> {
  return (await mounts()).findLast((mount) => mount.target === target);
}

export interface MountRequest {
  readonly source: string;
  readonly target: string;
  /** Absent: a bind mount. */
  readonly type?: string;
  readonly options?: readonly string[];
}

export async function mount({ source, target, type, options = [] }: MountRequest): Promise<void> {
  await run('mount', [...(type === undefined ? ['--bind'] : ['-t', type]), ...(options.length === 0 ? [] : ['-o', options.join(',')]), '--', source, target]);
}

/** What is mounted there, or there upon it, is so no more. No error when nothing is. */
export async function unmount(target: string): Promise<void> {
  while ((await mountAt(target)) !== undefined) await run('umount', ['--', target]);
}

/** Something to mount a tree, or a device, upon. */
export async function makeTarget(target: string, kind: 'folder' | 'file'): Promise<void> {
  if (kind === 'folder') return void (await mkdir(target, { recursive: true, mode: 0o750 }));
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  await writeFile(target, '', { flag: 'a', mode: 0o660 });
}

/** Unmounts and removes what makeTarget made. Never what is in it. */
export async function removeTarget(target: string): Promise<void> {
  await unmount(target);
  await run('rmdir', ['--', target]).catch(() => rm(target, { force: true }).catch(() => {}));
}

/** As the kernel writes spaces and their like. */
function plain(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
