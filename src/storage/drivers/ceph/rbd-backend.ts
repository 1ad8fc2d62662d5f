import { randomBytes } from 'node:crypto';
import { StorageError, type Backend, type BackendFeatures, type StoredSnapshot, type StoredVolume, type VolumeRequest, type VolumeSource } from '../../port.ts';
import { Catalog, halvesOf, idOf, type Place } from './catalog.ts';
import type { CephConnection } from './connection.ts';
import { isErrno } from './errors.ts';
import { Images } from './images.ts';
import { dataPools } from './fence.ts';
import { PoolSpace, spaceOf } from './pool-space.ts';
import { Publications } from './publications.ts';
import { RemovedImages } from './removed-images.ts';
import { missingSnapshot, missingVolume, mustHold, mustMatch, roundedBytes, wantedBytes } from './volume-request.ts';

/** Only what is ready is there for others; anything else is finished or undone by whoever comes next. */
type State = 'making' | 'ready' | 'removing';

interface VolumeRecord {
  readonly state: State;
  readonly name: string;
  /** Its image; another one each time a volume of this name is made. */
  readonly image: string;
  readonly sizeBytes: number;
  readonly source?: VolumeSource;
  readonly origin?: Origin;
}

interface SnapshotRecord {
  readonly state: State;
  readonly name: string;
  readonly volume: string;
  readonly image: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

/** Image and snapshot that a copy shares its content with; a passing snapshot is of no use to anybody else. */
interface Origin {
  readonly image: string;
  readonly snapshot: string;
  /** Of the snapshot, where it cannot change any more. */
  readonly sizeBytes?: number;
  readonly passing: boolean;
}

const RULE = { unitBytes: 2 ** 20 };
const FLATTEN = ['never', 'always'];
const IMAGE = /^vol-[0-9a-f]{40}-[0-9a-f]{8}$/;

/**
 * Volumes that are images of a pool of Ceph. Copies share content with what they are of: an image whose volume was
 * removed stays, for nobody to see, until neither a snapshot nor a copy needs it.
 */
export class RbdBackend implements Backend {
  readonly kind = 'rbd';
  readonly features: BackendFeatures = {
    snapshots: true,
    clones: true,
    growth: 'backend',
    sharing: { block: ['one node', 'many nodes, reading', 'many nodes'], filesystem: ['one node', 'many nodes, reading'] },
    parameters: { flatten: (value) => (FLATTEN.includes(value) ? undefined : `it must be ${FLATTEN.join(' or ')}`) },
  };
  readonly publishing: Publications;
  readonly #connection: CephConnection;
  readonly #place: Place;
  readonly #space: PoolSpace;
  readonly #images: Images;
  readonly #removed: RemovedImages;
  readonly #volumes: Catalog<VolumeRecord>;
  readonly #snapshots: Catalog<SnapshotRecord>;

  constructor(connection: CephConnection, place: Place) {
    this.#connection = connection;
    this.#place = place;
    this.#space = new PoolSpace(connection);
    this.#images = new Images(connection, place);
    this.#removed = new RemovedImages(connection, this.#images);
    this.#volumes = new Catalog(connection, place, 'volumes');
    this.#snapshots = new Catalog(connection, place, 'snapshots');
    this.publishing = new Publications({ connection, place, pools: dataPools(connection, async () => [place]), ensureVolume: (id) => this.#ready(id) });
  }

  async probe(): Promise<void> {
    await this.availableBytes();
  }

  async create(request: VolumeRequest): Promise<StoredVolume> {
    const id = idOf('vol', request.name);
    return this.get(id).then((known) => known ?? this.#volumes.turn(id, async () => {
      const before = await this.#volumes.get(id);
      if (before?.state === 'ready') return volumeOf(id, before);
      const record = await this.#recordOf(request);
      if (before !== undefined) await this.#discard(id, before);
      await this.#make(id, record, request.parameters['flatten'] === 'always');
      return volumeOf(id, record);
    })).then((volume) => {
      mustMatch(request, volume);
      return volume;
    });
  }

  async remove(id: string): Promise<void> {
    const image = await this.#volumes.turn(id, async () => {
      const known = await this.#volumes.get(id);
      if (known === undefined) return undefined;
      await this.publishing.mustBeNobodys(id);
      const { watchers = [] } = await this.#images.info(known.image) ?? {};
      if (watchers.length > 0 && known.state === 'ready') throw new StorageError('VolumeInUse', `volume ${id} is attached: image ${known.image} is open at ${watchers.join(', ')}`);
      await this.#volumes.put(id, { ...known, state: 'removing' });
      await this.#discard(id, known);
      return known.image;
    });
    await this.#removed.sweep(image);
  }

  async get(id: string): Promise<StoredVolume | undefined> {
    const record = await this.#volumes.get(id);
    return record?.state === 'ready' ? volumeOf(id, record) : undefined;
  }

  async list(): Promise<readonly StoredVolume[]> {
    return (await this.#volumes.all()).flatMap(([id, record]) => (record.state === 'ready' ? [volumeOf(id, record)] : []));
  }

  async expand(id: string, sizeBytes: number): Promise<StoredVolume> {
    return this.#volumes.turn(id, async () => {
      const known = await this.#ready(id);
      const wanted = roundedBytes(sizeBytes, RULE);
      if (wanted <= known.sizeBytes) return volumeOf(id, known);
      await this.#space.mustFit(this.#place.pool, wanted);
      await this.#images.grow(known.image, wanted);
      const record = { ...known, sizeBytes: wanted };
      await this.#volumes.put(id, record);
      return volumeOf(id, record);
    });
  }

  async availableBytes(): Promise<number> {
    return (await spaceOf(this.#connection, this.#place.pool)).availableBytes;
  }

  async snapshot(volume: string, name: string): Promise<StoredSnapshot> {
    const id = idOf('snap', name);
    return this.#snapshots.turn(id, async () => {
      const before = await this.#snapshots.get(id);
      if (before?.state === 'ready' && before.volume !== volume) throw new StorageError('NameTaken', `there is a snapshot ${name} already, of volume ${before.volume}`);
      if (before?.state === 'ready') return snapshotOf(id, before);
      if (before !== undefined) await this.#images.removeSnapshot(before.image, id);
      const { image, sizeBytes } = await this.#ready(volume);
      const record: SnapshotRecord = { state: 'making', name, volume, image, sizeBytes, createdAtMs: Date.now() };
      await this.#snapshots.put(id, record);
      await this.#images.snapshot(image, id);
      await this.#snapshots.put(id, { ...record, state: 'ready' });
      return snapshotOf(id, record);
    });
  }

  async removeSnapshot(id: string): Promise<void> {
    const image = await this.#snapshots.turn(id, async () => {
      const known = await this.#snapshots.get(id);
      if (known === undefined) return undefined;
      await this.#snapshots.put(id, { ...known, state: 'removing' });
      await this.#images.removeSnapshot(known.image, id);
      await this.#snapshots.remove(id);
      return known.image;
    });
    await this.#removed.sweep(image);
  }

  async snapshots(): Promise<readonly StoredSnapshot[]> {
    return (await this.#snapshots.all()).flatMap(([id, record]) => (record.state === 'ready' ? [snapshotOf(id, record)] : []));
  }

  async remnants(): Promise<readonly string[]> {
    await this.#removed.sweep(undefined);
    const [images, volumes, snapshots, removed] = [await this.#images.names(), await this.#volumes.all(), await this.#snapshots.all(), await this.#removed.names()];
    const known = new Set([...volumes.map(([, { image }]) => image), ...snapshots.map(([, { image }]) => image), ...removed]);
    return [
      ...images.filter((image) => IMAGE.test(image) && !known.has(image)).map((image) => `image ${image} is of no volume`),
      ...halvesOf('volume', volumes), ...halvesOf('snapshot', snapshots),
      ...await this.publishing.remnants(new Set(volumes.map(([id]) => id))),
    ];
  }

  /** The image of a volume that is there, and what it has by now. Rejects with VolumeNotFound. */
  async imageOf(id: string): Promise<{ readonly image: string; readonly sizeBytes: number }> {
    return this.#ready(id);
  }

  /** The client of this node that has the image open once it was opened; nobody else opens it meanwhile. Rejects with Failed where none is seen. */
  async clientOf(id: string, image: string, open: () => Promise<void>): Promise<string> {
    return this.#volumes.turn(id, async () => {
      const [before, own] = await Promise.all([this.#images.watchers(image), this.#connection.call<string>('own_addresses', {})]);
      await open();
      // Others open it for a moment only, to change or to copy it.
      const added = (await this.#images.watchers(image)).filter((address) => !before.includes(address) && !own.includes(address));
      const [client, ...others] = added.length < 2 ? added : (await this.#images.watchers(image)).filter((address) => added.includes(address));
      if (client === undefined || others.length > 0) throw new StorageError('Failed', `Ceph shows ${client === undefined ? 'nobody' : `${others.length + 1} clients`} at image ${image} after it was opened`);
      return client;
    });
  }

  async #ready(id: string): Promise<VolumeRecord> {
    const known = await this.#volumes.get(id);
    if (known?.state !== 'ready') throw missingVolume(id);
    return known;
  }

  /** What is to be made; nothing is yet. */
  async #recordOf(request: VolumeRequest): Promise<VolumeRecord> {
    const { name, source } = request;
    const sizeBytes = wantedBytes(request, RULE);
    const image = `${idOf('vol', name)}-${randomBytes(4).toString('hex')}`;
    const origin = source === undefined ? undefined : await this.#originOf(source, image, sizeBytes);
    await this.#space.mustFit(this.#place.pool, sizeBytes);
    return { state: 'making', name, image, sizeBytes, ...(source === undefined ? {} : { source }), ...(origin === undefined ? {} : { origin }) };
  }

  async #originOf({ kind, id }: VolumeSource, copy: string, wanted: number): Promise<Origin> {
    const known = kind === 'volume' ? await this.#ready(id) : await this.#snapshots.get(id);
    if (known?.state !== 'ready') throw missingSnapshot(id);
    mustHold(wanted, known.sizeBytes);
    return kind === 'volume' ? { image: known.image, snapshot: `for-${copy}`, passing: true } : { image: known.image, snapshot: id, passing: false, sizeBytes: known.sizeBytes };
  }

  async #make(id: string, record: VolumeRecord, flatten: boolean): Promise<void> {
    const { image, sizeBytes, source, origin } = record;
    await this.#volumes.put(id, record);
    try {
      if (origin === undefined) await this.#images.create(image, sizeBytes);
      else await this.#copy(origin, image, sizeBytes, flatten);
    } catch (error) {
      await this.#discard(id, record);
      if (isErrno(error, 'ENOENT') && source !== undefined) throw source.kind === 'volume' ? missingVolume(source.id) : missingSnapshot(source.id);
      throw error;
    }
    await this.#volumes.put(id, { ...record, state: 'ready' });
  }

  async #copy(origin: Origin, image: string, sizeBytes: number, flatten: boolean): Promise<void> {
    if (origin.passing) await this.#images.snapshot(origin.image, origin.snapshot);
    await this.#images.clone(origin.image, origin.snapshot, image);
    if (origin.passing) await this.#images.removeSnapshot(origin.image, origin.snapshot);
    if (sizeBytes !== origin.sizeBytes) await this.#images.grow(image, sizeBytes);
    if (flatten) await this.#images.flatten(image);
  }

  /** The record goes; the image, when nothing needs it any more. */
  async #discard(id: string, { image, state, origin }: VolumeRecord): Promise<void> {
    if (state === 'making' && origin?.passing === true) await this.#images.removeSnapshot(origin.image, origin.snapshot);
    await this.#removed.add(image);
    await this.#volumes.remove(id);
  }
}

function volumeOf(id: string, { name, sizeBytes, source }: VolumeRecord): StoredVolume {
  return { id, name, sizeBytes, ...(source === undefined ? {} : { source }) };
}

function snapshotOf(id: string, { name, volume, sizeBytes, createdAtMs }: SnapshotRecord): StoredSnapshot {
  return { id, name, volume, sizeBytes, createdAtMs };
}
