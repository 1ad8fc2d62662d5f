import { createHash } from 'node:crypto';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { mount, mountAt, unmount } from '../../mounts.ts';
import { StorageError } from '../../port.ts';
import { InTurn } from '../../in-turn.ts';
import { PlainGround } from './plain-ground.ts';
import { ensureNfsClient } from './nfs-client.ts';
import { mountOf, portOf } from './nfs-mount.ts';
import { ensureAnswers } from './reachable.ts';
import type { ExportedFolder } from './settings.ts';
import { Shelf } from './shelf.ts';
import type { Site, SnapshotRecord, VolumeRecord } from './site.ts';

/** All that is done here can be repeated: better an error than to wait for ever. */
const SOFTLY = ['soft', 'timeo=50', 'retrans=2'];
const DENIED = ['EACCES', 'EPERM', 'EROFS'];
/** What the kernel says of a mount that leads nowhere any more. */
const LOST = ['ESTALE', 'EIO', 'ENOTCONN', 'ETIMEDOUT'];

/** Volumes that are folders of what an NFS server exports; whoever makes them has it mounted. */
export class ExportedSite implements Site {
  readonly ground: PlainGround;
  readonly volumes: Shelf<VolumeRecord>;
  readonly snapshots: Shelf<SnapshotRecord>;
  readonly #settings: ExportedFolder;
  readonly #node: string;
  /** Where it is mounted here. */
  readonly #mounted: string;
  readonly #inTurn = new InTurn();
  #hasFolders = false;

  /** `folder` is the driver's own. */
  constructor(settings: ExportedFolder, folder: string, node: string) {
    this.#settings = settings;
    this.#node = node;
    this.#mounted = join(folder, createHash('sha256').update(`${settings.server}:${settings.export}`).digest('hex').slice(0, 16));
    this.ground = new PlainGround(this.#mounted);
    this.volumes = new Shelf(join(this.#mounted, 'volumes'));
    this.snapshots = new Shelf(join(this.#mounted, 'snapshots'));
  }

  async probe(signal?: AbortSignal): Promise<void> {
    await ensureAnswers(this.#settings.server, portOf(this.#settings.mountOptions), signal);
    await ensureNfsClient(this.#node);
  }

  ready(signal?: AbortSignal): Promise<PlainGround> {
    return this.#inTurn.run('mount', async () => {
      const { server, mountOptions } = this.#settings;
      await ensureAnswers(server, portOf(mountOptions), signal);
      if ((await mountAt(this.#mounted)) !== undefined && await this.#isLost()) await run('umount', ['--lazy', '--', this.#mounted]);
      if ((await mountAt(this.#mounted)) === undefined) await this.#mount();
      if (!this.#hasFolders) await this.#makeFolders();
      return this.ground;
    });
  }

  async publish(): Promise<void> {}
  async withdraw(): Promise<void> {}
  async conceal(): Promise<void> {}
  forget(): void {}

  get keepsLostNodes(): boolean {
    return this.#settings.lostNodes === 'Keep';
  }

  async close(): Promise<void> {
    await unmount(this.#mounted).catch(() => {});
  }

  async #mount(): Promise<void> {
    const { server, export: path, mountOptions } = this.#settings;
    await ensureNfsClient(this.#node);
    await mkdir(this.#mounted, { recursive: true, mode: 0o700 });
    const { source, options } = await mountOf({ server, path, mountOptions: mountOptions.filter((option) => option !== 'hard') });
    try {
      await mount({ source, target: this.#mounted, type: 'nfs4', options: [...options.filter((option) => option !== 'hard'), ...SOFTLY] });
    } catch (error) {
      throw new StorageError('BackendUnreachable', `${source} cannot be mounted on node ${this.#node}: ${messageOf(error)}`, { cause: error });
    }
  }

  async #makeFolders(): Promise<void> {
    try {
      await this.volumes.ensure();
    } catch (error) {
      if (!DENIED.includes(errnoOf(error) ?? '')) throw error;
      throw new StorageError('Failed', `root of node ${this.#node} may not write to ${this.#settings.server}:${this.#settings.export}: let it, on the server (no_root_squash, rw)`, { cause: error, disposition: 'stalled' });
    }
    this.#hasFolders = true;
  }

  async #isLost(): Promise<boolean> {
    return statfs(this.#mounted).then(() => false, (error: unknown) => LOST.includes(errnoOf(error) ?? ''));
  }
}
