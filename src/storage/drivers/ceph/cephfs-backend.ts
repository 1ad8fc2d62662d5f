import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageError, type Backend, type BackendFeatures, type Publishing, type Sharing, type StoredSnapshot, type StoredVolume, type VolumeRequest, type VolumeSource } from '../../port.ts';
import { Catalog, halvesOf, idOf } from './catalog.ts';
import type { CephConnection } from './connection.ts';
import { isErrno } from './errors.ts';
import { poolsOf } from './filesystem-pools.ts';
import { dataPools } from './fence.ts';
import { PoolSpace, spaceOf } from './pool-space.ts';
import { Publications } from './publications.ts';
import { Subvolumes } from './subvolumes.ts';
import { missingSnapshot, missingVolume, mustHold, mustMatch, roundedBytes, wantedBytes } from './volume-request.ts';

export interface CephfsBackendOptions {
  readonly connection: CephConnection;
  readonly filesystem: string;
  readonly group: string;
  /** How long a copy is waited for before whoever asked is told to come again. Default 45 000. */
  readonly patienceMs?: number;
}

type State = 'making' | 'ready' | 'removing';

interface VolumeRecord {
  readonly state: State;
  readonly name: string;
  /** Another one each time a volume of this name is made. */
  readonly subvolume: string;
  readonly sizeBytes: number;
  readonly source?: VolumeSource;
  readonly origin?: Origin;
  /** In the file system; once it is ready. */
  readonly path?: string;
}

interface SnapshotRecord {
  readonly state: State;
  readonly name: string;
  readonly volume: string;
  readonly subvolume: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

interface Origin {
  readonly subvolume: string;
  readonly snapshot: string;
  /** Made for this copy alone. */
  readonly passing: boolean;
}

interface Opened {
  readonly dataPool: string;
  readonly volumes: Catalog<VolumeRecord>;
  readonly snapshots: Catalog<SnapshotRecord>;
  readonly publications: Publications;
}

/** Quotas are counted in these by clients. */
const RULE = { unitBytes: 4 * 2 ** 20 };
/** A copy of nothing takes up to 15 s. */
const PATIENCE_MS = 45_000;
const SUBVOLUME = /^vol-[0-9a-f]{40}-[0-9a-f]{8}$/;
const POLL_MS = 200;
const ALL: readonly Sharing[] = ['one node', 'many nodes, reading', 'many nodes'];

/** Volumes that are subvolumes of a CephFS: files that many nodes write to at once. A copy is made by Ceph, and waited for by coming again. */
export class CephfsBackend implements Backend {
  readonly kind = 'cephfs';
  readonly features: BackendFeatures = { snapshots: true, clones: true, growth: 'backend', sharing: { block: [], filesystem: ALL }, parameters: {} };
  readonly publishing: Publishing = {
    publish: async (id, node, sharing) => (await this.publications()).publish(id, node, sharing),
    shutOut: async (id, node) => (await this.publications()).shutOut(id, node),
    release: async (id, node) => (await this.publications()).release(id, node),
    published: async (id) => (await this.publications()).published(id),
  };
  readonly #options: CephfsBackendOptions;
  readonly #space: PoolSpace;
  readonly #subvolumes: Subvolumes;
  #opened: Promise<Opened> | undefined;

  constructor(options: CephfsBackendOptions) {
    this.#options = options;
    this.#space = new PoolSpace(options.connection);
    this.#subvolumes = new Subvolumes(options);
  }

  async probe(): Promise<void> {
    await this.availableBytes();
    await this.#subvolumes.probe();
  }

  async create(request: VolumeRequest): Promise<StoredVolume> {
    const id = idOf('vol', request.name);
    const { volumes } = await this.#open();
    return this.get(id).then((known) => known ?? volumes.turn(id, async () => {
      const before = await volumes.get(id);
      if (before?.state === 'ready') return volumeOf(id, before);
      const record = await this.#recordOf(request, before);
      if (before !== undefined && before.subvolume !== record.subvolume) await this.#discard(id, before);
      await volumes.put(id, record);
      return this.#make(id, record);
    })).then((volume) => {
      mustMatch(request, volume);
      return volume;
    });
  }

  async remove(id: string): Promise<void> {
    const { volumes, publications } = await this.#open();
    await volumes.turn(id, async () => {
      await publications.mustBeNobodys(id);
      const known = await volumes.get(id);
      if (known?.state === 'making') return this.#discard(id, known);
      if (known === undefined) return;
      await volumes.put(id, { ...known, state: 'removing' });
      await this.#subvolumes.remove(known.subvolume).catch(busy(`volume ${id} is being copied`));
      await volumes.remove(id);
    });
  }

  async get(id: string): Promise<StoredVolume | undefined> {
    const record = await (await this.#open()).volumes.get(id);
    return record?.state === 'ready' ? volumeOf(id, record) : undefined;
  }

  async list(): Promise<readonly StoredVolume[]> {
    return (await (await this.#open()).volumes.all()).flatMap(([id, record]) => (record.state === 'ready' ? [volumeOf(id, record)] : []));
  }

  async expand(id: string, sizeBytes: number): Promise<StoredVolume> {
    const { volumes, dataPool } = await this.#open();
    return volumes.turn(id, async () => {
      const known = await this.#ready(id);
      const wanted = roundedBytes(sizeBytes, RULE);
      if (wanted <= known.sizeBytes) return volumeOf(id, known);
      await this.#space.mustFit(dataPool, wanted);
      await this.#subvolumes.grow(known.subvolume, wanted);
      const record = { ...known, sizeBytes: wanted };
      await volumes.put(id, record);
      return volumeOf(id, record);
    });
  }

  async availableBytes(): Promise<number> {
    const { dataPool } = await this.#open();
    return (await spaceOf(this.#options.connection, dataPool)).availableBytes;
  }

  async snapshot(volume: string, name: string): Promise<StoredSnapshot> {
    const id = idOf('snap', name);
    const { snapshots } = await this.#open();
    return snapshots.turn(id, async () => {
      const before = await snapshots.get(id);
      if (before?.state === 'ready' && before.volume !== volume) throw new StorageError('NameTaken', `there is a snapshot ${name} already, of volume ${before.volume}`);
      if (before?.state === 'ready') return snapshotOf(id, before);
      if (before !== undefined) await this.#subvolumes.removeSnapshot(before.subvolume, id);
      const { subvolume, sizeBytes } = await this.#ready(volume);
      const record: SnapshotRecord = { state: 'making', name, volume, subvolume, sizeBytes, createdAtMs: Date.now() };
      await snapshots.put(id, record);
      await this.#subvolumes.snapshot(subvolume, id);
      await snapshots.put(id, { ...record, state: 'ready' });
      return snapshotOf(id, record);
    });
  }

  async removeSnapshot(id: string): Promise<void> {
    const { snapshots } = await this.#open();
    await snapshots.turn(id, async () => {
      const known = await snapshots.get(id);
      if (known === undefined) return;
      await this.#subvolumes.removeSnapshot(known.subvolume, id).catch(busy(`snapshot ${id} is being copied`));
      await snapshots.remove(id);
    });
  }

  async snapshots(): Promise<readonly StoredSnapshot[]> {
    return (await (await this.#open()).snapshots.all()).flatMap(([id, record]) => (record.state === 'ready' ? [snapshotOf(id, record)] : []));
  }

  async publications(): Promise<Publications> {
    return (await this.#open()).publications;
  }

  async remnants(): Promise<readonly string[]> {
    const opened = await this.#open();
    const [names, volumes, snapshots] = [await this.#subvolumes.names(), await opened.volumes.all(), await opened.snapshots.all()];
    const known = new Set([...volumes, ...snapshots].map(([, { subvolume }]) => subvolume));
    return [
      ...names.filter((name) => SUBVOLUME.test(name) && !known.has(name)).map((name) => `subvolume ${name} is of no volume`),
      ...halvesOf('volume', volumes), ...halvesOf('snapshot', snapshots),
      ...await opened.publications.remnants(new Set(volumes.map(([id]) => id))),
    ];
  }

  /** Where in the file system a volume is that is there. Rejects with VolumeNotFound. */
  async pathOf(id: string): Promise<string> {
    const { path } = await this.#ready(id);
    if (path === undefined) throw missingVolume(id);
    return path;
  }

  /** Asks for the file system's pools once it can be asked. */
  #open(): Promise<Opened> {
    const { connection, filesystem } = this.#options;
    this.#opened ??= poolsOf(connection, filesystem).then(({ metadata, data, allData }) => {
      const place = { pool: metadata, namespace: 'yadokari' };
      const pools = dataPools(connection, async () => [...allData, metadata].map((pool) => ({ pool })));
      return {
        dataPool: data, volumes: new Catalog(connection, place, 'volumes'), snapshots: new Catalog(connection, place, 'snapshots'),
        publications: new Publications({ connection, place, pools, ensureVolume: (id) => this.#ready(id) }),
      };
    });
    this.#opened.catch(() => (this.#opened = undefined));
    return this.#opened;
  }

  async #ready(id: string): Promise<VolumeRecord> {
    const known = await (await this.#open()).volumes.get(id);
    if (known?.state !== 'ready') throw missingVolume(id);
    return known;
  }

  /** What is to be made, or goes on being made. */
  async #recordOf(request: VolumeRequest, before: VolumeRecord | undefined): Promise<VolumeRecord> {
    const { name, source } = request;
    const sizeBytes = wantedBytes(request, RULE);
    if (before?.state === 'making' && before.sizeBytes === sizeBytes && before.source?.id === source?.id) return before;
    const subvolume = `${idOf('vol', name)}-${randomBytes(4).toString('hex')}`;
    const origin = source === undefined ? undefined : await this.#originOf(source, subvolume, sizeBytes);
    await this.#space.mustFit((await this.#open()).dataPool, sizeBytes);
    return { state: 'making', name, subvolume, sizeBytes, ...(source === undefined ? {} : { source }), ...(origin === undefined ? {} : { origin }) };
  }

  async #originOf({ kind, id }: VolumeSource, copy: string, wanted: number): Promise<Origin> {
    const known = kind === 'volume' ? await this.#ready(id) : await (await this.#open()).snapshots.get(id);
    if (known?.state !== 'ready') throw missingSnapshot(id);
    mustHold(wanted, known.sizeBytes);
    return kind === 'volume' ? { subvolume: known.subvolume, snapshot: `for-${copy}`, passing: true } : { subvolume: known.subvolume, snapshot: id, passing: false };
  }

  async #make(id: string, record: VolumeRecord): Promise<StoredVolume> {
    const { subvolume, sizeBytes, origin, source } = record;
    try {
      if (origin === undefined) await this.#subvolumes.create(subvolume, sizeBytes);
      else await this.#copy(subvolume, origin, sizeBytes);
    } catch (error) {
      // A copy goes on; what has failed does not.
      if (error instanceof StorageError && error.code === 'BackendUnreachable') throw error;
      await this.#discard(id, record);
      if (isErrno(error, 'ENOENT') && source !== undefined) throw source.kind === 'volume' ? missingVolume(source.id) : missingSnapshot(source.id);
      throw error;
    }
    const made: VolumeRecord = { ...record, state: 'ready', path: await this.#subvolumes.pathOf(subvolume) };
    await (await this.#open()).volumes.put(id, made);
    return volumeOf(id, made);
  }

  async #copy(subvolume: string, origin: Origin, sizeBytes: number): Promise<void> {
    if (await this.#subvolumes.cloneState(subvolume) === undefined) {
      if (origin.passing) await this.#subvolumes.snapshot(origin.subvolume, origin.snapshot);
      await this.#subvolumes.clone(origin.subvolume, origin.snapshot, subvolume);
    }
    await this.#copied(subvolume);
    if (origin.passing) await this.#subvolumes.removeSnapshot(origin.subvolume, origin.snapshot).catch(busy(`${subvolume} is not known to be whole yet`));
    await this.#subvolumes.grow(subvolume, sizeBytes);
  }

  async #copied(subvolume: string): Promise<void> {
    for (const until = Date.now() + (this.#options.patienceMs ?? PATIENCE_MS); ; await delay(POLL_MS)) {
      const state = await this.#subvolumes.cloneState(subvolume);
      if (state === 'complete') return;
      if (state === 'failed' || state === 'canceled') throw new StorageError('Failed', `Ceph has not copied ${subvolume}: its copy has ${state}`);
      if (Date.now() > until) throw new StorageError('BackendUnreachable', `Ceph is still copying ${subvolume} (${state}); it is to be asked for again`, { disposition: 'wait' });
    }
  }

  /** Nothing of what was begun is there afterwards. */
  async #discard(id: string, { subvolume, state, origin }: VolumeRecord): Promise<void> {
    if (state === 'removing') await this.#subvolumes.remove(subvolume).catch(busy(`volume ${id} is being copied`));
    else await this.#subvolumes.discard(subvolume).catch(busy(`${subvolume} is being copied`));
    if (state === 'making' && origin?.passing === true) await this.#subvolumes.removeSnapshot(origin.subvolume, origin.snapshot).catch(busy(`${subvolume} is being copied`));
    await (await this.#open()).volumes.remove(id);
  }
}

/** For `catch`: Ceph asks to be asked again. */
function busy(what: string): (error: unknown) => never {
  return (error) => {
    throw isErrno(error, 'EAGAIN') ? new StorageError('BackendUnreachable', `${what}; it is to be asked for again`, { disposition: 'wait', cause: error }) : error;
  };
}

function volumeOf(id: string, { name, sizeBytes, source }: VolumeRecord): StoredVolume {
  return { id, name, sizeBytes, ...(source === undefined ? {} : { source }) };
}

function snapshotOf(id: string, { name, volume, sizeBytes, createdAtMs }: SnapshotRecord): StoredSnapshot {
  return { id, name, volume, sizeBytes, createdAtMs };
}
