import { StorageError, type Backend, type BackendFeatures, type NodeState, type StoredSnapshot, type StoredVolume, type VolumeRequest, type VolumeSource } from '../../port.ts';
import type { Ground } from './ground.ts';
import { checked, idOf, nodeOf } from './ids.ts';
import { InTurn } from '../../in-turn.ts';
import { Publications } from './publications.ts';
import type { Shelf } from './shelf.ts';
import type { Published, Site, SnapshotRecord, VolumeRecord } from './site.ts';

export interface NfsBackendOptions {
  readonly site: Site;
  readonly volumes: Shelf<VolumeRecord>;
  readonly snapshots: Shelf<SnapshotRecord>;
  /** What is known of a node by its name. */
  readonly stateOf: (node: string) => Promise<NodeState>;
}

const BLOCK_BYTES = 4096;
const LEAST_BYTES = 1024 * 1024;
/** Whoever looks at how much room there is takes it before another looks. */
const ROOM = 'room';
/** Whoever may mount a volume may use it, as whatever user its pods are; StorageClasses can say otherwise. */
const DEFAULT_MODE = '0777';

/** Volumes that are trees on an NFS server: each a folder, or a subvolume, with a record of it beside. */
export class NfsBackend implements Backend {
  readonly kind = 'nfs';
  readonly publishing: Publications;
  readonly #site: Site;
  readonly #volumes: Shelf<VolumeRecord>;
  readonly #snapshots: Shelf<SnapshotRecord>;
  readonly #inTurn = new InTurn();

  constructor({ site, volumes, snapshots, stateOf }: NfsBackendOptions) {
    this.#site = site;
    this.#volumes = volumes;
    this.#snapshots = snapshots;
    this.publishing = new Publications({ site, volumes, inTurn: this.#inTurn, stateOf });
  }

  /** Snapshots and clones are there where the folder's file system has them. */
  get features(): BackendFeatures {
    const isRich = this.#site.ground?.isRich ?? false;
    return {
      snapshots: isRich, clones: isRich, growth: 'backend',
      sharing: { block: [], filesystem: ['one node', 'many nodes, reading', 'many nodes'] },
      parameters: { mode: modeFault },
    };
  }

  probe(signal?: AbortSignal): Promise<void> {
    return this.#site.probe(signal);
  }

  create(request: VolumeRequest, signal?: AbortSignal): Promise<StoredVolume> {
    const id = idOf('vol', request.name);
    return this.#inTurn.run(id, async () => {
      const ground = await this.#ready(signal);
      const known = await this.#volumes.get(id) ?? await this.#make(id, request, ground);
      mustBeAsAsked(known, request);
      // Exports follow from what is on the disk: whichever of the two is done first.
      await Promise.all([this.#volumes.settle(), this.#site.publish(known)]);
      return told(known);
    });
  }

  async remove(id: string, signal?: AbortSignal): Promise<void> {
    return this.#inTurn.run(checked(id), async () => {
      const ground = await this.#ready(signal);
      const holders = (await this.#volumes.get(id))?.holders ?? [];
      if (holders.length > 0) throw new StorageError('VolumeInUse', `volume ${id} is published to node ${holders.map(({ node }) => nodeOf(node).name).join(', ')}`);
      await this.#site.withdraw(id);
      await this.#volumes.remove(id, ground);
      this.#site.forget(id);
    });
  }

  async get(id: string, signal?: AbortSignal): Promise<StoredVolume | undefined> {
    await this.#ready(signal);
    const found = await this.#volumes.get(id);
    return found === undefined ? undefined : told(found);
  }

  async list(signal?: AbortSignal): Promise<readonly StoredVolume[]> {
    await this.#ready(signal);
    return (await this.#volumes.list()).map(told);
  }

  async expand(id: string, sizeBytes: number, signal?: AbortSignal): Promise<StoredVolume> {
    return this.#inTurn.run(checked(id), async () => {
      const ground = await this.#ready(signal);
      const known = await this.#existing(id);
      const wanted = rounded(sizeBytes);
      if (wanted <= known.sizeBytes) return told(known);
      await this.#inTurn.run(ROOM, async () => {
        await this.#mustHaveRoom(wanted - known.sizeBytes, ground);
        // The record tells less than there is rather than more.
        await ground.limit(this.#volumes.treeOf(id), wanted);
        await this.#volumes.rewrite(id, { ...known, sizeBytes: wanted });
      });
      return told({ ...known, sizeBytes: wanted });
    });
  }

  async availableBytes(signal?: AbortSignal): Promise<number> {
    return this.#roomOn(await this.#ready(signal));
  }

  snapshot(volume: string, name: string, signal?: AbortSignal): Promise<StoredSnapshot> {
    const id = idOf('snap', name);
    return this.#inTurn.run(id, async () => {
      const ground = await this.#richly(signal);
      const known = await this.#snapshots.get(id);
      if (known !== undefined && known.volume !== volume) throw new StorageError('NameTaken', `there is a snapshot ${name} already, of volume ${known.volume}`);
      if (known !== undefined) return known;
      const { sizeBytes } = await this.#existing(volume);
      await this.#snapshots.sweep(ground, id);
      await this.#snapshots.make(id, { name, volume, sizeBytes, createdAtMs: Date.now() }, ground, (tree) => ground.copy(this.#volumes.treeOf(volume), tree, true));
      await this.#snapshots.settle();
      return await this.#snapshots.get(id) ?? gone(id);
    });
  }

  async removeSnapshot(id: string, signal?: AbortSignal): Promise<void> {
    return this.#inTurn.run(checked(id), async () => this.#snapshots.remove(id, await this.#richly(signal)));
  }

  async snapshots(signal?: AbortSignal): Promise<readonly StoredSnapshot[]> {
    await this.#ready(signal);
    return this.#snapshots.list();
  }

  async remnants(signal?: AbortSignal): Promise<readonly string[]> {
    await this.#ready(signal);
    return [...await this.#volumes.halves(), ...await this.#snapshots.halves()].map((name) => `${name} was made or removed by half`);
  }

  async #make(id: string, { sizeBytes, limitBytes = Infinity, name, source, parameters }: VolumeRequest, ground: Ground): Promise<Published> {
    if (!Number.isFinite(sizeBytes) || sizeBytes <= 0) throw new StorageError('InvalidRequest', `a volume cannot have ${sizeBytes} bytes`);
    const wanted = rounded(sizeBytes);
    if (wanted > limitBytes) throw new StorageError('InvalidRequest', `a volume here has a multiple of ${BLOCK_BYTES} bytes and at least ${LEAST_BYTES}: none fits between ${sizeBytes} and ${limitBytes}`);
    const origin = source === undefined ? undefined : await this.#originOf(source);
    if (origin !== undefined && origin.sizeBytes > wanted) throw new StorageError('InvalidRequest', `a volume of ${wanted} bytes is too small for its source of ${origin.sizeBytes}`);
    await this.#inTurn.run(ROOM, async () => {
      await this.#mustHaveRoom(wanted, ground);
      const access = this.#site.access?.(id, await this.#volumes.list());
      const record: VolumeRecord = { name, sizeBytes: wanted, ...(source === undefined ? {} : { source }), ...(access === undefined ? {} : { access }) };
      await this.#volumes.sweep(ground, id);
      await this.#volumes.make(id, record, ground, async (tree) => {
        if (origin === undefined) await ground.make(tree, Number.parseInt(parameters['mode'] ?? DEFAULT_MODE, 8));
        else await ground.copy(origin.tree, tree, false);
        await ground.limit(tree, wanted);
      });
    });
    return await this.#volumes.get(id) ?? gone(id);
  }

  async #originOf({ kind, id }: VolumeSource): Promise<{ readonly tree: string; readonly sizeBytes: number }> {
    if (kind === 'volume') return { tree: this.#volumes.treeOf(id), sizeBytes: (await this.#existing(id)).sizeBytes };
    const snapshot = await this.#snapshots.get(id);
    if (snapshot === undefined) throw new StorageError('SnapshotNotFound', `there is no snapshot ${id}`);
    return { tree: this.#snapshots.treeOf(id), sizeBytes: snapshot.sizeBytes };
  }

  async #mustHaveRoom(bytes: number, ground: Ground): Promise<void> {
    const room = await this.#roomOn(ground);
    if (bytes > room) throw new StorageError('NoSpace', `${bytes} bytes are wanted, and ${room} are left on the NFS server`);
  }

  async #roomOn(ground: Ground): Promise<number> {
    return ground.availableBytes(new Map((await this.#volumes.list()).map(({ id, sizeBytes }) => [id, sizeBytes])));
  }

  async #existing(id: string): Promise<Published> {
    const found = await this.#volumes.get(id);
    if (found === undefined) throw new StorageError('VolumeNotFound', `there is no volume ${id}`);
    return found;
  }

  #ready(signal?: AbortSignal): Promise<Ground> {
    return this.#site.ready(signal);
  }

  async #richly(signal?: AbortSignal): Promise<Ground> {
    const ground = await this.#ready(signal);
    if (!ground.isRich) throw new StorageError('Unsupported', 'volumes have snapshots only on an NFS server that is managed here and has them on btrfs');
    return ground;
  }
}

function mustBeAsAsked({ name, sizeBytes, source }: Published, { sizeBytes: least, limitBytes = Infinity, source: wanted }: VolumeRequest): void {
  if (sizeBytes >= least && sizeBytes <= limitBytes && source?.id === wanted?.id) return;
  throw new StorageError('NameTaken', `there is a volume ${name} already, of ${sizeBytes} bytes${source === undefined ? '' : ` from ${source.kind} ${source.id}`}`);
}

function rounded(bytes: number): number {
  return Math.max(Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES, LEAST_BYTES);
}

function modeFault(value: string): string | undefined {
  return /^[0-7]{3,4}$/.test(value) ? undefined : 'the mode of a volume’s root folder is octal, such as 0770';
}

function told({ id, name, sizeBytes, source }: Published): StoredVolume {
  return { id, name, sizeBytes, ...(source === undefined ? {} : { source }) };
}

function gone(id: string): never {
  throw new StorageError('Failed', `${id} was removed while it was made`);
}
