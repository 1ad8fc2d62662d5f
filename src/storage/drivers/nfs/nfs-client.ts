import { readFile } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { messageOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { StorageError } from '../../port.ts';

/** Rejects with Unsupported where the kernel of this node cannot mount NFS, also with such modules as it has. */
export async function ensureNfsClient(node: string): Promise<void> {
  if (await isKnown()) return;
  // A kernel without modules may come without the program, too.
  await run('modprobe', ['-a', 'nfs', 'nfsv4']).catch(() => {});
  if (await isKnown()) return;
  throw new StorageError('Unsupported', `the kernel ${release()} of node ${node} has no NFS client: /proc/filesystems does not list nfs4, and modprobe nfs does not change that. Install the modules of this kernel (Debian: linux-image-amd64, Ubuntu: linux-modules-extra-${release()}), or boot one that was built with CONFIG_NFS_FS and CONFIG_NFS_V4_2`, { disposition: 'stalled' });
}

/** In words, what this host lacks to mount NFS; undefined where it can. */
export async function lackOfNfsClient(): Promise<string | undefined> {
  return ensureNfsClient(hostname()).then(() => undefined, messageOf);
}

async function isKnown(): Promise<boolean> {
  return /^nodev\s+nfs4$/m.test(await readFile('/proc/filesystems', 'utf8'));
}
