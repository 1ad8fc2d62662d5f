import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { mountAt } from '../../mounts.ts';
import { StorageError, type Attachment, type NodeVolumes, type VolumeReference } from '../../port.ts';
import { writeConf, writeKey, writeKeyring } from './client-files.ts';
import type { CephfsBackend } from './cephfs-backend.ts';
import { endProcesses, leaveContainer, processesOf } from './daemons.ts';
import type { CephSettings, CephUser } from './settings.ts';

export interface CephfsNodeOptions {
  /** What mounts are made with; a folder in it for each volume that is attached. */
  readonly folder: string;
  readonly settings: CephSettings & { readonly filesystem: string };
  readonly user: CephUser;
  readonly kernel: boolean;
}

const PROGRAM = 'ceph-fuse';
const START_MS = 30_000;
const END_MS = 15_000;

/** Whether this kernel can mount CephFS itself, with its module loaded if need be. */
export async function kernelMountsCephfs(): Promise<boolean> {
  const known = async (): Promise<boolean> => (await readFile('/proc/filesystems', 'utf8')).split('\n').some((line) => line.trim().endsWith('\tceph') || line.trim() === 'ceph');
  if (await known()) return true;
  await run('modprobe', ['ceph']).catch(() => {});
  return known();
}

/**
 * Subvolumes as trees of files of this node: mounted by its kernel, or by a ceph-fuse for each, which goes on when the
 * driver ends.
 */
export class CephfsNodeVolumes implements NodeVolumes {
  readonly #backend: CephfsBackend;
  readonly #options: CephfsNodeOptions;

  constructor(backend: CephfsBackend, options: CephfsNodeOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  async attach({ id }: VolumeReference): Promise<Attachment> {
    const path = await this.#backend.pathOf(id);
    const { folder, settings, user, kernel } = this.#options;
    if (kernel) {
      const options = [`name=${user.user}`, `secretfile=${await writeKey(folder, user)}`, `mds_namespace=${settings.filesystem}`, ...(settings.monitors.every((monitor) => monitor.endsWith(':3300')) ? ['ms_mode=prefer-crc'] : [])];
      return { kind: 'tree', type: 'ceph', source: `${settings.monitors.map((monitor) => monitor.replace(/^v[12]:/, '')).join(',')}:${path}`, options };
    }
    if (!await this.#serves(id)) {
      await this.#end(id);
      await this.#serve(id, path).catch(async (error: unknown) => {
        await this.#end(id);
        throw new StorageError('BackendUnreachable', `volume ${id} cannot be mounted on this node: ${messageOf(error)}`, { cause: error });
      });
    }
    return { kind: 'tree', type: 'none', source: this.#treeOf(id), options: ['bind'] };
  }

  /** Ceph is not asked: it may be out of reach just now. */
  async detach(id: string): Promise<void> {
    if (/^vol-[0-9a-f]{40}$/.test(id)) await this.#end(id);
  }

  /** The quota is Ceph's, and shows everywhere. */
  async refresh({ id }: VolumeReference): Promise<void> {
    await this.#backend.pathOf(id);
  }

  #treeOf(id: string): string {
    return join(this.#options.folder, id, 'tree');
  }

  async #serves(id: string): Promise<boolean> {
    return (await processesOf(PROGRAM, this.#treeOf(id))).length > 0 && await mountAt(this.#treeOf(id)) !== undefined;
  }

  async #serve(id: string, path: string): Promise<void> {
    const { folder, settings, user } = this.#options;
    const tree = this.#treeOf(id);
    const [conf, keyring] = [await writeConf(folder, settings), await writeKeyring(folder, user)];
    await mkdir(tree, { recursive: true, mode: 0o700 });
    await run(PROGRAM, ['-c', conf, '-k', keyring, '--id', user.user, '--client_fs', settings.filesystem, '--client_mountpoint', path, tree], { timeoutMs: START_MS });
    await leaveContainer(await processesOf(PROGRAM, tree));
  }

  /** Nothing of it is there afterwards, whoever began it. */
  async #end(id: string): Promise<void> {
    const tree = this.#treeOf(id);
    const mounted = await mountAt(tree) !== undefined;
    while (await mountAt(tree) !== undefined) await run('umount', ['--', tree]).catch(() => run('umount', ['--lazy', '--', tree]));
    await endProcesses(PROGRAM, tree, mounted ? END_MS : 0);
    while (await mountAt(tree) !== undefined) await run('umount', ['--lazy', '--', tree]);
    await rm(join(this.#options.folder, id), { recursive: true, force: true });
  }
}
