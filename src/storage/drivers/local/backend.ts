import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { StorageError, TOPOLOGY_NODE, type Backend, type BackendFeatures, type StoredSnapshot, type StoredVolume, type VolumeRequest, type VolumeSource } from '../../port.ts';
import type { LoopDevices } from './loop-devices.ts';

export interface LocalBackendOptions {
  /** Where volumes and snapshots lie; on a file system that can (btrfs, xfs) their copies share blocks. */
  readonly folder: string;
  /** Name of this node. */
  readonly node: string;
  readonly loops: LoopDevices;
}

interface VolumeRecord {
  readonly name: string;
  readonly sizeBytes: number;
  readonly source?: VolumeSource;
}

interface SnapshotRecord {
  readonly name: string;
  readonly volume: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

const RECORD = 'record.json';
const DATA = 'data';
/** File systems, and their devices, want whole blocks. */
const BLOCK_BYTES = 4096;
const LEAST_BYTES = 1024 * 1024;
/** What this process makes and removes bears it; any other that did is gone, since there is one driver on a node. */
const RUN = randomUUID();
/** A copy that takes longer than this is not waited for. */
const COPY_MS = 30 * 60_000;

/**
 * Volumes that are sparse files of a folder, on the node that has the folder. A volume, or a snapshot, is a folder with
 * a file and a record of it; each comes into being, and goes, by being renamed.
 */
export class LocalBackend implements Backend {
  readonly kind = 'local';
  readonly features: BackendFeatures;
  readonly #options: LocalBackendOptions;
  readonly #volumes: string;
  readonly #snapshots: string;

  constructor(options: LocalBackendOptions) {
    this.#options = options;
    this.#volumes = join(options.folder, 'volumes');
    this.#snapshots = join(options.folder, 'snapshots');
    this.features = {
      snapshots: true,
      clones: true,
      topology: { [TOPOLOGY_NODE]: options.node },
      growth: 'node',
      sharing: { block: ['one node'], filesystem: ['one node'] },
      parameters: {},
    };
  }

  /** Makes the folders, and ends what was begun by a process that is gone. */
  async probe(): Promise<void> {
    for (const { id } of await this.list()) await this.#options.loops.thaw(this.dataOf(id));
    for (const folder of [this.#volumes, this.#snapshots]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(folder)) if (isPassing(name) && !name.includes(RUN)) await rm(join(folder, name), { recursive: true, force: true });
    }
  }

  async create({ name, sizeBytes, limitBytes = Infinity, source }: VolumeRequest, signal?: AbortSignal): Promise<StoredVolume> {
    const id = this.#idOf('vol', name);
    const known = await this.get(id);
    const wanted = Math.max(Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES, LEAST_BYTES);
    if (known !== undefined) {
      if (known.sizeBytes < sizeBytes || known.sizeBytes > limitBytes || known.source?.id !== source?.id) throw new StorageError('NameTaken', `there is a volume ${name} already, of ${known.sizeBytes} bytes${known.source === undefined ? '' : ` from ${known.source.kind} ${known.source.id}`}`);
      return known;
    }
    if (wanted > limitBytes) throw new StorageError('InvalidRequest', `a volume here has a multiple of ${BLOCK_BYTES} bytes and at least ${LEAST_BYTES}: none fits between ${sizeBytes} and ${limitBytes}`);
    const origin = source === undefined ? undefined : await this.#originOf(source);
    if (origin !== undefined && origin.sizeBytes > wanted) throw new StorageError('InvalidRequest', `a volume of ${wanted} bytes is too small for its source of ${origin.sizeBytes}`);
    const room = await this.availableBytes();
    if (wanted > room) throw new StorageError('NoSpace', `${wanted} bytes are wanted, and ${room} are left on node ${this.#options.node}`);
    const record: VolumeRecord = { name, sizeBytes: wanted, ...(source === undefined ? {} : { source }) };
    await this.#make(this.#volumes, id, record, async (file) => {
      if (origin === undefined) await writeFile(file, '', { mode: 0o600 });
      else await this.#copy(origin, file, signal);
      await truncate(file, wanted);
    });
    return await this.get(id) ?? gone(id);
  }

  async remove(id: string): Promise<void> {
    if ((await this.#options.loops.of(this.dataOf(id))).length > 0) throw new StorageError('VolumeInUse', `volume ${id} is attached on node ${this.#options.node}`);
    await this.#discard(this.#volumes, id);
  }

  async get(id: string): Promise<StoredVolume | undefined> {
    const record = await readRecord<VolumeRecord>(this.#volumes, id);
    return record === undefined ? undefined : { id, ...record };
  }

  list(): Promise<readonly StoredVolume[]> {
    return all(this.#volumes, (id) => this.get(id));
  }

  async expand(id: string, sizeBytes: number): Promise<StoredVolume> {
    const known = await this.get(id) ?? missing(id);
    const wanted = Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    if (wanted <= known.sizeBytes) return known;
    const room = await this.availableBytes();
    if (wanted - known.sizeBytes > room) throw new StorageError('NoSpace', `${wanted - known.sizeBytes} bytes more are wanted, and ${room} are left on node ${this.#options.node}`);
    // The record tells less than there is rather than more.
    await truncate(this.dataOf(id), wanted);
    const { id: _, ...record } = { ...known, sizeBytes: wanted };
    await writeRecord(join(this.#volumes, id), record);
    return { id, ...record };
  }

  /** What the file system has left, less what was promised to volumes that have not taken it yet. */
  async availableBytes(): Promise<number> {
    const [{ bavail, bsize }, volumes] = await Promise.all([statfs(this.#options.folder), this.list()]);
    const promised = await Promise.all(volumes.map(async ({ id, sizeBytes }) => Math.max(sizeBytes - await takenBytes(this.dataOf(id)), 0)));
    return Math.max(bavail * bsize - promised.reduce((sum, bytes) => sum + bytes, 0), 0);
  }

  async snapshot(volume: string, name: string, signal?: AbortSignal): Promise<StoredSnapshot> {
    const id = this.#idOf('snap', name);
    const known = await readRecord<SnapshotRecord>(this.#snapshots, id);
    if (known !== undefined && known.volume !== volume) throw new StorageError('NameTaken', `there is a snapshot ${name} already, of volume ${known.volume}`);
    if (known === undefined) {
      const { sizeBytes } = await this.get(volume) ?? missing(volume);
      await this.#make(this.#snapshots, id, { name, volume, sizeBytes, createdAtMs: Date.now() } satisfies SnapshotRecord, (file) => this.#copy({ file: this.dataOf(volume), volume }, file, signal));
    }
    return { id, ...await readRecord<SnapshotRecord>(this.#snapshots, id) ?? gone(id) };
  }

  async removeSnapshot(id: string): Promise<void> {
    await this.#discard(this.#snapshots, id);
  }

  snapshots(): Promise<readonly StoredSnapshot[]> {
    return all(this.#snapshots, async (id) => {
      const record = await readRecord<SnapshotRecord>(this.#snapshots, id);
      return record === undefined ? undefined : { id, ...record };
    });
  }

  /** The file that the volume is. */
  dataOf(id: string): string {
    return join(this.#volumes, checked(id), DATA);
  }

  /** The same name gives the same id, so that a call that is repeated finds what it made. */
  #idOf(prefix: string, name: string): string {
    return `${prefix}-${digest(name, 32)}-${digest(this.#options.node, 8)}`;
  }

  async #originOf({ kind, id }: VolumeSource): Promise<{ readonly file: string; readonly sizeBytes: number; readonly volume?: string }> {
    const [, node] = ID.exec(id) ?? [];
    // Of a node that has no room the scheduler is told to choose another.
    if (node !== undefined && node !== digest(this.#options.node, 8)) throw new StorageError('NoSpace', `the source ${id} is on another node than ${this.#options.node}, and so must its copy be`);
    if (kind === 'volume') return { file: this.dataOf(id), sizeBytes: (await this.get(id) ?? missing(id)).sizeBytes, volume: id };
    const record = await readRecord<SnapshotRecord>(this.#snapshots, id);
    if (record === undefined) throw new StorageError('SnapshotNotFound', `there is no snapshot ${id} on node ${this.#options.node}`);
    return { file: join(this.#snapshots, id, DATA), sizeBytes: record.sizeBytes };
  }

  /** A volume's own file system holds still meanwhile, so that the copy is whole. */
  async #copy({ file, volume }: { readonly file: string; readonly volume?: string }, to: string, signal?: AbortSignal): Promise<void> {
    const copy = async (): Promise<void> => void (await run('cp', ['--reflink=auto', '--sparse=always', '--', file, to], { timeoutMs: COPY_MS, ...(signal === undefined ? {} : { signal }) }));
    if (volume === undefined) await copy();
    else await this.#options.loops.still(file, copy);
  }

  async #make(folder: string, id: string, record: object, fill: (file: string) => Promise<void>): Promise<void> {
    const passing = join(folder, `.${id}.${RUN}.${randomUUID()}`);
    await mkdir(passing, { recursive: true, mode: 0o700 });
    try {
      await fill(join(passing, DATA));
      await writeRecord(passing, record);
      await rename(passing, join(folder, id)).catch((error: unknown) => {
        // Somebody else was first, with the same name: the caller looks at what there is.
        if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
      });
    } catch (error) {
      throw errnoOf(error) === 'ENOSPC' ? new StorageError('NoSpace', `node ${this.#options.node} has no room left`, { cause: error }) : error;
    } finally {
      await rm(passing, { recursive: true, force: true });
    }
  }

  async #discard(folder: string, id: string): Promise<void> {
    const passing = join(folder, `.${checked(id)}.${RUN}.${randomUUID()}`);
    try {
      await rename(join(folder, id), passing);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    await rm(passing, { recursive: true, force: true });
  }
}

/** What a name is, and the node that has it. */
const ID = /^(?:vol|snap)-[0-9a-f]{32}-([0-9a-f]{8})$/;

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

/** Ids are ours; what is not one names no file. */
function checked(id: string): string {
  return ID.test(id) ? id : missing(id);
}

function isPassing(name: string): boolean {
  return name.startsWith('.');
}

async function all<T>(folder: string, get: (id: string) => Promise<T | undefined>): Promise<readonly T[]> {
  const names = (await readdir(folder).catch(nothing)) ?? [];
  const found = await Promise.all(names.filter((name) => !isPassing(name)).sort().map(get));
  return found.filter((one) => one !== undefined);
}

async function readRecord<T>(folder: string, id: string): Promise<T | undefined> {
  if (!ID.test(id)) return undefined;
  const text = await readFile(join(folder, id, RECORD), 'utf8').catch(nothing);
  return text === undefined ? undefined : JSON.parse(text) as T;
}

async function writeRecord(folder: string, record: object): Promise<void> {
  await writeFile(join(folder, `${RECORD}.tmp`), JSON.stringify(record), { mode: 0o600, flush: true });
  await rename(join(folder, `${RECORD}.tmp`), join(folder, RECORD));
}

async function takenBytes(file: string): Promise<number> {
  return ((await stat(file).catch(nothing))?.blocks ?? 0) * 512;
}

function nothing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function missing(id: string): never {
  throw new StorageError('VolumeNotFound', `there is no volume ${id} on this node`);
}

function gone(id: string): never {
  throw new StorageError('Failed', `${id} was removed while it was made`);
}
