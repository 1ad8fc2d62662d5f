import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import { abortFuse } from '../../../base/fuse-connections.ts';
import { run } from '../../../base/process.ts';
import type { Log } from '../../../base/log.ts';
import { makeTarget, mountAt } from '../../mounts.ts';
import { StorageError, type Attachment, type NodeVolumes, type VolumeReference } from '../../port.ts';
import { askAdmin } from './admin-socket.ts';
import { writeConf, writeKeyring } from './client-files.ts';
import type { CephfsBackend } from './cephfs-backend.ts';
import { endProcesses, leaveContainer, processesOf } from './daemons.ts';
import type { KernelClients } from './kernel-clients.ts';
import { lackingOf, program, pythonModule } from './programs.ts';
import type { Publications } from './publications.ts';
import type { CephSettings, CephUser } from './settings.ts';

export interface CephfsNodeOptions {
  /** What mounts are made with; a folder in it for each volume that is attached. */
  readonly folder: string;
  readonly settings: CephSettings & { readonly filesystem: string };
  readonly user: CephUser;
  /** Absent where this kernel cannot mount it, or does not say by which clients it has. */
  readonly kernel: KernelClients | undefined;
  /** Name of this node. */
  readonly node: string;
  readonly log: Log;
}

const PROGRAM = 'ceph-fuse';
const START_MS = 30_000;
const END_MS = 15_000;
/** The file with the path that it is mounted at. */
const TARGET = 'target';

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

  async attach({ id, mount: wanted }: VolumeReference): Promise<Attachment> {
    if (wanted === undefined) throw new StorageError('InvalidRequest', `volume ${id} is shared files, and no block device`);
    const publications = await this.#backend.publications();
    const [path] = await Promise.all([this.#backend.pathOf(id), publications.mustHave(id, this.#options.node)]);
    if (!await this.#isServed(id, wanted.target) || !await this.#admit(id, publications)) {
      // Its target is written down before anything is begun.
      if (await this.#targetOf(id) !== undefined) await this.#end(id);
      await this.#serve(id, path, wanted).catch(async (error: unknown) => {
        await this.#end(id);
        throw new StorageError('BackendUnreachable', `volume ${id} cannot be mounted on this node: ${messageOf(error)}`, { cause: error });
      });
      await this.#admit(id, publications);
    }
    return { kind: 'mounted' };
  }

  lacking(): Promise<string | undefined> {
    return lackingOf([pythonModule('rados'), this.#options.kernel === undefined ? program(PROGRAM, 'ceph-fuse') : program('mount.ceph', 'ceph-common')]);
  }

  async attached(): Promise<readonly string[]> {
    return (await readdir(this.#options.folder).catch(() => [])).filter((name) => name.startsWith('vol-'));
  }

  /** Ceph need not answer: it may be out of reach just now. */
  async detach(id: string): Promise<void> {
    if (!/^vol-[0-9a-f]{40}$/.test(id)) return;
    await this.#end(id);
    await this.settle(id);
  }

  /** Clients of the volume, or of all, that have ended are forgotten. */
  async settle(id?: string): Promise<void> {
    const { node, log } = this.#options;
    try {
      await (await this.#backend.publications()).settle(node, id, async () => {
        const found = await Promise.all((await this.attached()).map((name) => this.#clientOf(name)));
        return found.filter((client) => client !== undefined);
      });
    } catch (error) {
      log.warn({ volume: id, error: messageOf(error) }, 'clients of this node that have ended are still known to Ceph');
    }
  }

  /** The quota is Ceph's, and shows everywhere. */
  async refresh({ id }: VolumeReference): Promise<void> {
    await this.#backend.pathOf(id);
  }

  #askOf(id: string): string {
    return join(this.#options.folder, id, 'ask');
  }

  #confOf(id: string): string {
    return join(this.#options.folder, id, 'ceph.conf');
  }

  /** The file that is there while a ceph-fuse comes up. */
  #startingOf(id: string): string {
    return join(this.#options.folder, id, 'starting');
  }

  /** Where it is mounted, or was to be. */
  async #targetOf(id: string): Promise<string | undefined> {
    return readFile(join(this.#options.folder, id, TARGET), 'utf8').catch(() => undefined);
  }

  async #isServed(id: string, target: string): Promise<boolean> {
    return await this.#targetOf(id) === target && await mountAt(target) !== undefined && await this.#clientOf(id) !== undefined;
  }

  /** The address of the client that the volume is mounted by, be it to its full or not; undefined when there is none. */
  async #clientOf(id: string): Promise<string | undefined> {
    const { kernel } = this.#options;
    if (kernel !== undefined) return kernel.clientOf(join(this.#options.folder, id), await this.#targetOf(id));
    if ((await processesOf(PROGRAM, this.#confOf(id))).length === 0) return undefined;
    const { addr } = await askAdmin<{ readonly addr: { readonly addr: string; readonly nonce: number } }>(this.#askOf(id), 'status');
    return `${addr.addr}/${addr.nonce}`;
  }

  /** False: what is mounted was shut out. Nothing is mounted where nothing may be. */
  async #admit(id: string, publications: Publications): Promise<boolean> {
    const client = await this.#clientOf(id);
    if (client === undefined) return false;
    return publications.admit(id, this.#options.node, client).catch(async (error: unknown) => {
      if (error instanceof StorageError && error.code === 'NotAttached') await this.#end(id);
      throw error;
    });
  }

  async #serve(id: string, path: string, { target, flags }: NonNullable<VolumeReference['mount']>): Promise<void> {
    const { folder, settings, user, kernel } = this.#options;
    await mkdir(join(folder, id), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, id, TARGET), target, { mode: 0o600 });
    await makeTarget(target, 'folder');
    if (kernel !== undefined) return kernel.mount({ folder: join(folder, id), target, flags, path, settings, user });
    const [conf, keyring] = [await writeConf(join(folder, id), settings, this.#askOf(id)), await writeKeyring(folder, user)];
    await writeFile(this.#startingOf(id), '', { mode: 0o600 });
    await run(PROGRAM, ['-c', conf, '-k', keyring, '--id', user.user, '--client_fs', settings.filesystem, '--client_mountpoint', path, ...(flags.length === 0 ? [] : ['-o', flags.join(',')]), target], { timeoutMs: START_MS });
    await rm(this.#startingOf(id));
    await leaveContainer(PROGRAM, conf);
  }

  /**
   * One that has not come up has nothing to write. While it starts, it waits for a command that mounts it anew, which waits
   * for whoever unmounts it, who waits for it; and the command has the connection open when its parent is killed. Only the
   * end of the connection ends all of them.
   */
  async #breakOff(id: string, target: string): Promise<void> {
    await endProcesses(PROGRAM, this.#confOf(id), 0);
    const begun = await mountAt(target);
    if (begun?.type.startsWith('fuse') === true) await abortFuse([Number(begun.device.split(':')[1])]);
  }

  /** Nothing of it is there afterwards, whoever began it. */
  async #end(id: string): Promise<void> {
    const target = await this.#targetOf(id);
    if (target !== undefined && existsSync(this.#startingOf(id))) await this.#breakOff(id, target);
    // Whoever has unmounted it lets it write what it still has.
    if (target !== undefined) while (await mountAt(target) !== undefined) await run('umount', ['--', target]).catch(() => run('umount', ['--lazy', '--', target]));
    await endProcesses(PROGRAM, this.#confOf(id), END_MS);
    if (target !== undefined) while (await mountAt(target) !== undefined) await run('umount', ['--lazy', '--', target]);
    await rm(join(this.#options.folder, id), { recursive: true, force: true });
  }
}
