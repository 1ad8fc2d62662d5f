import { readFile } from 'node:fs/promises';
import { run } from './process.ts';

/** Where the kernel shows its connections need not be mounted: it is for this moment, and for this process alone. */
const ABORT = 'control=/sys/fs/fuse/connections; mount -t fusectl none $control; for connection; do echo 1 > $control/$connection/abort; done 2> /dev/null; true';

/** The connections of FUSE, by their numbers, that these processes' mounts have and the host's have not: those are other people's. */
export async function fuseConnections(pids: readonly number[]): Promise<readonly number[]> {
  const hosts = new Set(await connectionsOf('self'));
  const found = await Promise.all(pids.map(connectionsOf));
  return [...new Set(found.flat())].filter((connection) => !hosts.has(connection));
}

/** None of a process that has ended. */
async function connectionsOf(pid: number | 'self'): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => connectionOf(line) ?? []);
}

/** The number of the connection in a line of mountinfo, where it is a mount of FUSE: https://docs.kernel.org/filesystems/fuse.html. */
export function connectionOf(line: string): number | undefined {
  const [mounted = '', made = ''] = line.split(' - ');
  const [, , device = ''] = mounted.split(' ');
  return /^fuse(blk)?(\.| )/.test(made) ? Number(device.split(':')[1]) : undefined;
}

/**
 * Ends connections of processes that were killed. Where a device is a file that FUSE serves, and the last process of the
 * node is the one that served it, the kernel has it write back what is on the device before it lets go of the file: it
 * waits for itself, and everybody who looks at the device waits too.
 */
export async function abortFuse(connections: readonly number[]): Promise<void> {
  if (connections.length > 0) await run('unshare', ['--mount', 'sh', '-c', ABORT, 'sh', ...connections.map(String)]).catch(() => {});
}
