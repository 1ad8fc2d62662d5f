import { API_VERSION } from '../../../api/group.ts';
import type { Clock } from '../../../base/clock.ts';
import { isAlreadyExists } from '../../../kube/api-error.ts';
import { isTrue } from '../../../kube/conditions.ts';
import { isDeleting } from '../../../kube/object.ts';
import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { StorageError, TOPOLOGY_NODE, type Backend, type BackendFeatures, type StoredSnapshot, type StoredVolume, type VolumeRequest } from '../../port.ts';
import { faultsOf } from './conditions.ts';
import { OPEN_FENCE } from './fence.ts';
import { finalizerOf, idOf, isId } from './ids.ts';
import { place, roomFor, type NodeReport } from './placement.ts';
import { metadataBytes } from './resource-file.ts';
import type { DrbdSettings } from './settings.ts';
import type { VolumeObjects } from './volume-objects.ts';

export interface DrbdBackendOptions {
  readonly objects: VolumeObjects;
  readonly settings: DrbdSettings;
  readonly node: string;
  readonly clock: Clock;
}

/** LVM gives out pieces of this size, unless somebody has said otherwise. */
const EXTENT_BYTES = 4 * 2 ** 20;
const PATIENCE_MS = 50_000;
const AGAIN_MS = 300;
/** Nodes look at their kernels every few seconds. */
const TOLD_MS = 8000;

/** Volumes that nodes keep copies of for each other: each is an object of the API, which the nodes' own loops bring about. */
export class DrbdBackend implements Backend {
  readonly kind = 'drbd';
  readonly features: BackendFeatures;
  readonly #options: DrbdBackendOptions;

  constructor(options: DrbdBackendOptions) {
    this.#options = options;
    this.features = {
      snapshots: false,
      clones: false,
      topology: { [TOPOLOGY_NODE]: options.node },
      growth: 'backend',
      sharing: { block: ['one node'], filesystem: ['one node'] },
      parameters: {},
    };
  }

  async probe(signal?: AbortSignal): Promise<void> {
    const { settings } = this.#options;
    const able = (await this.#nodes(signal)).filter(({ lacking }) => lacking === undefined);
    if (able.length < settings.replicas) throw new StorageError('BackendUnreachable', `volumes have ${settings.replicas} replicas, and ${able.length} nodes can have one`);
  }

  async create(request: VolumeRequest, signal?: AbortSignal): Promise<StoredVolume> {
    const { objects } = this.#options;
    const { name, sizeBytes, limitBytes = Infinity, source } = request;
    if (source !== undefined) throw new StorageError('Unsupported', 'volumes of this kind are no copies of others');
    const id = idOf(objects.backend, name);
    const wanted = Math.ceil(sizeBytes / EXTENT_BYTES) * EXTENT_BYTES;
    const known = await objects.get(id, signal);
    if (known === undefined) {
      if (wanted > limitBytes) throw new StorageError('InvalidRequest', `a volume here has a multiple of ${EXTENT_BYTES} bytes: none fits between ${sizeBytes} and ${limitBytes}`);
      await this.#make(id, request, wanted, signal);
    } else if (known.spec.sizeBytes < sizeBytes || known.spec.sizeBytes > limitBytes) {
      throw new StorageError('NameTaken', `there is a volume ${name} already, of ${known.spec.sizeBytes} bytes`);
    }
    return storedOf(await this.#until(id, isMade, (volume) => `volume ${id} is not made yet: ${faultsOf(volume.status?.replicas ?? []) || 'its nodes have not said anything'}`, signal));
  }

  async remove(id: string, signal?: AbortSignal): Promise<void> {
    const { objects, clock } = this.#options;
    const known = await this.#find(id, signal);
    if (known === undefined) return;
    await this.#mustBeNobodys(id, signal);
    await objects.delete(id);
    for (const giveUpAt = clock.now() + PATIENCE_MS; ; await clock.sleep(AGAIN_MS, signal)) {
      const left = await objects.get(id, signal);
      if (left === undefined) return;
      if (clock.now() > giveUpAt) throw new StorageError('BackendUnreachable', `volume ${id} is still on ${left.spec.replicas.filter(({ node }) => left.metadata.finalizers?.includes(finalizerOf(node)) === true).map(({ node }) => node).join(' and ')}`);
    }
  }

  async get(id: string, signal?: AbortSignal): Promise<StoredVolume | undefined> {
    const known = await this.#find(id, signal);
    return known === undefined || isDeleting(known) ? undefined : storedOf(known);
  }

  async list(signal?: AbortSignal): Promise<readonly StoredVolume[]> {
    const all = await this.#options.objects.list(signal);
    return all.filter((volume) => !isDeleting(volume)).map(storedOf).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async expand(id: string, sizeBytes: number, signal?: AbortSignal): Promise<StoredVolume> {
    const { objects } = this.#options;
    const wanted = Math.ceil(sizeBytes / EXTENT_BYTES) * EXTENT_BYTES;
    const known = await this.#find(id, signal) ?? missing(id);
    const more = wanted - known.spec.sizeBytes;
    if (more <= 0) return storedOf(known);
    const nodes = await this.#nodes(signal);
    for (const { node } of known.spec.replicas) {
      const room = nodes.find((place) => place.node === node)?.availableBytes ?? 0;
      if (more > room) throw new StorageError('NoSpace', `${more} bytes more are wanted, and ${room} are left on node ${node}`);
    }
    await objects.change(id, (volume) => (volume.spec.sizeBytes >= wanted ? undefined : { ...volume, spec: { ...volume.spec, sizeBytes: wanted } }), signal);
    const grown = (volume: ReplicatedVolume): boolean => volume.spec.replicas.every(({ node }) => (statusOf(volume, node)?.deviceBytes ?? 0) >= wanted);
    return storedOf(await this.#until(id, grown, () => `volume ${id} grows once all its nodes are there and have the same`, signal));
  }

  async availableBytes(signal?: AbortSignal): Promise<number> {
    const { settings, clock } = this.#options;
    const room = roomFor(await this.#nodes(signal), settings.replicas, clock.now());
    return Math.floor(Math.max(room - metadataBytes(room, settings.replicas - 1) - EXTENT_BYTES, 0) / EXTENT_BYTES) * EXTENT_BYTES;
  }

  async snapshot(): Promise<StoredSnapshot> {
    throw new StorageError('Unsupported', 'replicated volumes have no snapshots');
  }

  async removeSnapshot(): Promise<void> {}

  async snapshots(): Promise<readonly StoredSnapshot[]> {
    return [];
  }

  async remnants(signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.#nodes(signal)).flatMap(({ node, orphans = [] }) => orphans.map((orphan) => `${orphan} on node ${node}`));
  }

  async #make(id: string, { name, accessibility }: VolumeRequest, sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { objects, settings, clock } = this.#options;
    const nodes = await this.#nodes(signal);
    const bytes = sizeBytes + metadataBytes(sizeBytes, settings.replicas - 1) + EXTENT_BYTES;
    const allowed = nodesOf(accessibility?.requisite ?? []);
    const chosen = place({ nodes, replicas: settings.replicas, bytes, preferred: nodesOf(accessibility?.preferred ?? []), nowMs: clock.now(), ...(allowed.length === 0 ? {} : { allowed }) });
    const volume: ReplicatedVolume = {
      apiVersion: API_VERSION, kind: 'ReplicatedVolume',
      metadata: { name: id, finalizers: chosen.map(finalizerOf), labels: { 'app.kubernetes.io/managed-by': 'yadokari' } },
      spec: { backend: objects.backend, requestedName: name, sizeBytes, replicas: chosen.map((node, nodeId) => ({ node, nodeId })), fence: { ...OPEN_FENCE } },
    };
    await objects.create(volume).catch((error: unknown) => {
      // Somebody else was first, with the same name: what there is is looked at.
      if (!isAlreadyExists(error)) throw new StorageError('BackendUnreachable', 'the volume cannot be written down', { cause: error });
    });
  }

  /** A node tells of what has just been let go of a moment later. */
  async #mustBeNobodys(id: string, signal: AbortSignal | undefined): Promise<void> {
    const { objects, clock } = this.#options;
    for (const giveUpAt = clock.now() + TOLD_MS; ; await clock.sleep(AGAIN_MS, signal)) {
      const known = await objects.get(id, signal);
      const user = known?.status?.replicas?.find(({ role, node }) => role === 'Primary' && !known.spec.fence.outdated.includes(node));
      if (user === undefined) return;
      if (clock.now() > giveUpAt) throw new StorageError('VolumeInUse', `volume ${id} is in use on node ${user.node}`);
    }
  }

  async #until(id: string, holds: (volume: ReplicatedVolume) => boolean, why: (volume: ReplicatedVolume) => string, signal: AbortSignal | undefined): Promise<ReplicatedVolume> {
    const { objects, clock } = this.#options;
    for (const giveUpAt = clock.now() + PATIENCE_MS; ; await clock.sleep(AGAIN_MS, signal)) {
      const volume = await objects.get(id, signal);
      if (volume === undefined) throw new StorageError('BackendUnreachable', `volume ${id} was removed meanwhile`);
      if (holds(volume)) return volume;
      if (clock.now() > giveUpAt) throw new StorageError('BackendUnreachable', why(volume), { disposition: 'wait' });
    }
  }

  async #find(id: string, signal?: AbortSignal): Promise<ReplicatedVolume | undefined> {
    return isId(id) ? this.#options.objects.get(id, signal) : undefined;
  }

  #nodes(signal?: AbortSignal): Promise<readonly NodeReport[]> {
    return this.#options.objects.nodes(signal);
  }
}

/** All nodes have the same data, and see each other. */
function isMade(volume: ReplicatedVolume): boolean {
  if (isDeleting(volume)) return false;
  return volume.spec.replicas.every(({ node, diskless }) => diskless === true || (statusOf(volume, node)?.disk === 'UpToDate' && (statusOf(volume, node)?.deviceBytes ?? 0) > 0));
}

function statusOf(volume: ReplicatedVolume, node: string) {
  return volume.status?.replicas?.find((replica) => replica.node === node);
}

function storedOf(volume: ReplicatedVolume): StoredVolume {
  const { metadata, spec, status } = volume;
  const [split] = (status?.conditions ?? []).filter(({ type, status: is }) => type === 'SplitBrain' && is === 'True');
  const fault = split?.message ?? (isTrue(status?.conditions, 'Degraded') ? status?.conditions?.find(({ type }) => type === 'Degraded')?.message : undefined);
  return {
    id: metadata.name, name: spec.requestedName, sizeBytes: spec.sizeBytes,
    topology: spec.replicas.filter(({ diskless }) => diskless !== true).map(({ node }) => ({ [TOPOLOGY_NODE]: node })),
    ...(fault === undefined ? {} : { fault }),
  };
}

function nodesOf(topologies: readonly Readonly<Record<string, string>>[]): readonly string[] {
  return topologies.flatMap((segments) => segments[TOPOLOGY_NODE] ?? []);
}

function missing(id: string): never {
  throw new StorageError('VolumeNotFound', `there is no volume ${id}`);
}
