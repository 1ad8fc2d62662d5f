import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../base/process.ts';

/** Names and versions of ours and of what we run on, `none` for what is not there. */
export async function versions(projectRoot: string, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const own = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as { readonly version: string };
  const of = async (file: string, args: readonly string[], pattern: RegExp): Promise<string> => pattern.exec(await run(file, args, { timeoutMs: 10_000, signal }).catch(() => ''))?.[1] ?? 'none';
  const [qemu, libvirt, containerd, runc, kernel] = await Promise.all([
    of('qemu-system-x86_64', ['--version'], /version (\S+)/),
    of('libvirtd', ['--version'], /libvirt\) (\S+)/),
    of('containerd', ['--version'], /containerd \S+ (\S+)/),
    of('runc', ['--version'], /version (\S+)/),
    of('uname', ['-r'], /(\S+)/),
  ]);
  return { yado: own.version, node: process.version.slice(1), qemu, libvirt, containerd, runc, linux: kernel };
}
