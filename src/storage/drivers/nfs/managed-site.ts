import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';
import type { Access } from './access.ts';
import { GaneshaExports, type Export } from './ganesha-exports.ts';
import { GaneshaReader } from './ganesha-reader.ts';
import type { Ground } from './ground.ts';
import { groundOf } from './grounds.ts';
import { exportIdOf } from './ids.ts';
import { ensureAnswers } from './reachable.ts';
import type { ManagedServer } from './settings.ts';
import { Shelf } from './shelf.ts';
import type { Published, Site, SnapshotRecord, VolumeRecord } from './site.ts';

/** Volumes in a folder of this machine, exported one by one by the nfs-ganesha that runs beside us: it sees the same processes and, where the folder is on btrfs, the same mounts. */
export class ManagedSite implements Site {
  readonly volumes: Shelf<VolumeRecord>;
  readonly snapshots: Shelf<SnapshotRecord>;
  readonly #settings: ManagedServer;
  readonly #node: string;
  readonly #exports: GaneshaExports;
  #opened: Promise<Ground> | undefined;
  #ground: Ground | undefined;

  constructor(settings: ManagedServer, node: string) {
    this.#settings = settings;
    this.#node = node;
    this.volumes = new Shelf(join(settings.path, 'volumes'));
    this.snapshots = new Shelf(join(settings.path, 'snapshots'));
    this.#exports = new GaneshaExports(settings.ganesha.exports, new GaneshaReader({ files: settings.ganesha, server: settings.server, port: settings.port }));
  }

  get ground(): Ground | undefined {
    return this.#ground;
  }

  /** Elsewhere than on the machine of the folder only nodes' part is done, which needs a server that answers. */
  async probe(signal?: AbortSignal): Promise<void> {
    await ensureAnswers(this.#settings.server, this.#settings.port, signal);
    await this.ready().catch((error: unknown) => {
      if (!(error instanceof StorageError && errnoOf(error.cause) === 'ENOENT')) throw error;
    });
  }

  async ready(): Promise<Ground> {
    this.#opened ??= this.#open();
    try {
      return await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** All exports that the folder's volumes have are mounted and written, whether nfs-ganesha runs or not. */
  async prepare(): Promise<void> {
    const ground = await this.#groundNow();
    const all = (await this.volumes.list()).flatMap((volume) => this.#exportOf(volume));
    await ground.mounts?.ensure(all.map(({ tree }) => tree));
    await this.#exports.write(all);
  }

  access(id: string, others: readonly VolumeRecord[]): Access {
    const taken = new Set(others.flatMap(({ access }) => (access === undefined ? [] : [access.exportId])));
    return { exportId: exportIdOf(id, taken), clients: this.#settings.clients, withdrawn: [] };
  }

  async publish(volume: Published): Promise<void> {
    const ground = await this.ready();
    for (const wanted of this.#exportOf(volume)) {
      await ground.mounts?.ensure([wanted.tree]);
      await this.#exports.put(wanted);
    }
  }

  async conceal(id: string): Promise<void> {
    await this.ready();
    await this.#exports.drop(id);
  }

  async withdraw(id: string): Promise<void> {
    const ground = await this.ready();
    await this.#exports.drop(id);
    await ground.mounts?.drop(this.volumes.treeOf(id));
  }

  forget(id: string): void {
    this.#exports.forget(id);
  }

  async close(): Promise<void> {}

  #exportOf({ id, access }: Published): readonly Export[] {
    return access === undefined || access.clients.length === 0 ? [] : [{ id, tree: this.volumes.treeOf(id), access }];
  }

  /** Once in a process: what was left half-way by one that is gone is removed, and exports are as the records say. */
  async #open(): Promise<Ground> {
    const ground = await this.#groundNow();
    await this.volumes.sweep(ground);
    await this.snapshots.sweep(ground);
    await this.prepare();
    return ground;
  }

  async #groundNow(): Promise<Ground> {
    const { path } = this.#settings;
    try {
      this.#ground = await groundOf(path);
      await Promise.all([this.volumes.ensure(), this.snapshots.ensure()]);
      return this.#ground;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      throw new StorageError('BackendUnreachable', `there is no folder ${path} on node ${this.#node}: volumes are made on the machine that has it`, { cause: error });
    }
  }
}
