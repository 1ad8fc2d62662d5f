import { status } from '@grpc/grpc-js';
import { StorageError, type Backend, type Fence, type Publishing, type StoredSnapshot, type StoredVolume, type VolumeRequest, type VolumeSource } from '../port.ts';
import { capabilitiesOf, capabilityOf, objectionTo, type Capability } from './capability.ts';
import { pageOf } from './pages.ts';
import type { CsiCall } from './protocol.ts';
import type { Handler, Message } from './server.ts';
import { CsiError, invalid } from './status.ts';
import { Turns } from './turns.ts';

export interface ControllerOptions {
  readonly backend: Backend;
  /** File systems that nodes can make on a volume that is a device. */
  readonly fsTypes: readonly string[];
  /** Whether there is a node of this id. */
  readonly isNode: (id: string) => Promise<boolean>;
  /** Remembers that a node was kept from a volume, before the volume may move. */
  readonly remember: (fenced: Fenced) => Promise<void>;
}

export interface Fenced extends Fence {
  readonly volume: string;
  readonly node: string;
}

/** What a volume has when nobody says how large it is to be. */
const DEFAULT_BYTES = 1024 ** 3;
/** Keys that the sidecars add for themselves. */
const OF_SIDECARS = 'csi.storage.k8s.io/';

/** csi.v1.Controller for one backend. */
export class CsiController {
  readonly #options: ControllerOptions;
  readonly #turns = new Turns();

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  handlers(): Readonly<Partial<Record<CsiCall, Handler>>> {
    return {
      CreateVolume: (request) => this.#create(request),
      DeleteVolume: (request) => this.#delete(request),
      ValidateVolumeCapabilities: (request) => this.#validate(request),
      ListVolumes: (request) => this.#list(request),
      ControllerGetVolume: (request) => this.#get(request),
      GetCapacity: (request) => this.#capacity(request),
      ControllerGetCapabilities: async () => ({ capabilities: this.#capabilities().map((type) => ({ rpc: { type } })) }),
      CreateSnapshot: (request) => this.#snapshot(request),
      DeleteSnapshot: (request) => this.#deleteSnapshot(request),
      ListSnapshots: (request) => this.#snapshots(request),
      ...this.#publishing(),
      ...(this.#options.backend.features.growth === 'backend' ? { ControllerExpandVolume: (request) => this.#expand(request) } : {}),
    };
  }

  #capabilities(): readonly string[] {
    const { features: { snapshots, clones, growth }, publishing } = this.#options.backend;
    return [
      ...(publishing === undefined ? [] : ['PUBLISH_UNPUBLISH_VOLUME', 'LIST_VOLUMES_PUBLISHED_NODES']),
      'CREATE_DELETE_VOLUME', 'LIST_VOLUMES', 'GET_VOLUME', 'GET_CAPACITY', 'SINGLE_NODE_MULTI_WRITER',
      ...(growth === 'backend' ? ['EXPAND_VOLUME'] : []),
      ...(snapshots ? ['CREATE_DELETE_SNAPSHOT', 'LIST_SNAPSHOTS'] : []), ...(clones ? ['CLONE_VOLUME'] : []),
    ];
  }

  async #create(request: Message): Promise<object> {
    const { backend } = this.#options;
    const name = required(request, 'name');
    const capabilities = capabilitiesOf(request['volumeCapabilities']);
    for (const capability of capabilities) this.#mustOffer(capability);
    if (new Set(capabilities.map(({ kind }) => kind)).size > 1) throw invalid('a volume is either block or mount');
    const { requiredBytes, limitBytes } = rangeOf(request['capacityRange']);
    const volume = await this.#turns.run(name, () => backend.create({
      name, parameters: this.#parametersOf({ ...request['parameters'], ...request['mutableParameters'] }),
      sizeBytes: requiredBytes ?? Math.min(DEFAULT_BYTES, limitBytes ?? Infinity),
      ...(limitBytes === undefined ? {} : { limitBytes }),
      ...sourceOf(request['volumeContentSource']),
      ...accessibilityOf(request['accessibilityRequirements']),
    }));
    return { volume: this.#message(volume) };
  }

  async #delete(request: Message): Promise<object> {
    const id = required(request, 'volumeId');
    await this.#turns.run(id, () => tolerant(this.#options.backend.remove(id)));
    return {};
  }

  async #validate(request: Message): Promise<object> {
    const { volumeContext, volumeCapabilities, parameters, mutableParameters } = request;
    const id = required(request, 'volumeId');
    const capabilities = capabilitiesOf(volumeCapabilities);
    await this.#existing(id);
    const objection = capabilities.map((capability) => this.#objection(capability)).find((text) => text !== undefined);
    if (objection !== undefined) return { message: objection };
    return { confirmed: { volumeContext, volumeCapabilities, parameters, mutableParameters } };
  }

  async #list({ maxEntries, startingToken }: Message): Promise<object> {
    const { backend } = this.#options;
    const [volumes, published] = await Promise.all([backend.list(), backend.publishing?.published()]);
    const { page, nextToken } = pageOf(volumes, maxEntries, startingToken);
    return { entries: page.map((volume) => ({ volume: this.#message(volume), status: { publishedNodeIds: published?.get(volume.id) ?? [] } })), nextToken };
  }

  async #get(request: Message): Promise<object> {
    const volume = await this.#existing(required(request, 'volumeId'));
    const publishedNodeIds = (await this.#options.backend.publishing?.published(volume.id))?.get(volume.id) ?? [];
    return { volume: this.#message(volume), status: { publishedNodeIds, volumeCondition: { abnormal: volume.fault !== undefined, message: volume.fault ?? 'the volume is there' } } };
  }

  async #capacity({ volumeCapabilities, parameters, accessibleTopology }: Message): Promise<object> {
    const { backend } = this.#options;
    this.#parametersOf(parameters);
    const offered = (volumeCapabilities as readonly Message[]).every((capability) => this.#objection(capabilityOf(capability)) === undefined);
    const here = Object.entries(backend.features.topology ?? {}).every(([key, value]) => (accessibleTopology?.segments?.[key] ?? value) === value);
    const availableCapacity = offered && here ? await backend.availableBytes() : 0;
    return { availableCapacity, maximumVolumeSize: { value: availableCapacity } };
  }

  async #snapshot(request: Message): Promise<object> {
    const { backend } = this.#options;
    const [name, source] = [required(request, 'name'), required(request, 'sourceVolumeId')];
    // Nothing is known yet that could be said about how to make one.
    for (const key of Object.keys(request['parameters'])) if (!key.startsWith(OF_SIDECARS)) throw invalid(`a snapshot here has no parameter ${key}`);
    return { snapshot: snapshotMessage(await this.#turns.run(name, () => backend.snapshot(source, name))) };
  }

  async #deleteSnapshot(request: Message): Promise<object> {
    const id = required(request, 'snapshotId');
    await this.#turns.run(id, () => tolerant(this.#options.backend.removeSnapshot(id)));
    return {};
  }

  async #snapshots({ maxEntries, startingToken, sourceVolumeId, snapshotId }: Message): Promise<object> {
    const all = (await this.#options.backend.snapshots()).filter(({ id, volume }) => (snapshotId === '' || id === snapshotId) && (sourceVolumeId === '' || volume === sourceVolumeId));
    const { page, nextToken } = pageOf(all, maxEntries, startingToken);
    return { entries: page.map((snapshot) => ({ snapshot: snapshotMessage(snapshot) })), nextToken };
  }

  async #expand(request: Message): Promise<object> {
    const id = required(request, 'volumeId');
    const { requiredBytes, limitBytes } = rangeOf(request['capacityRange']);
    if (requiredBytes === undefined) throw invalid('capacity_range.required_bytes is required');
    const { sizeBytes } = await this.#turns.run(id, async () => {
      const before = await this.#existing(id);
      if (limitBytes !== undefined && before.sizeBytes > limitBytes) throw invalid(`the volume has ${before.sizeBytes} bytes already, and no volume becomes smaller`);
      return this.#options.backend.expand(id, requiredBytes);
    });
    return { capacityBytes: sizeBytes, nodeExpansionRequired: true };
  }

  #publishing(): Readonly<Partial<Record<CsiCall, Handler>>> {
    const { publishing } = this.#options.backend;
    if (publishing === undefined) return {};
    return { ControllerPublishVolume: (request) => this.#publish(request, publishing), ControllerUnpublishVolume: (request) => this.#unpublish(request, publishing) };
  }

  async #publish(request: Message, publishing: Publishing): Promise<object> {
    const [id, node] = [required(request, 'volumeId'), required(request, 'nodeId')];
    const capability = capabilityOf(request['volumeCapability']);
    this.#mustOffer(capability);
    if (!await this.#options.isNode(node)) throw new CsiError(status.NOT_FOUND, `there is no node ${node}`);
    await this.#turns.run(id, () => publishing.publish(id, node, capability.sharing));
    return { publishContext: {} };
  }

  /** A node that does not answer is kept from the volume by force, and that is remembered before anybody else may have it. */
  async #unpublish(request: Message, publishing: Publishing): Promise<object> {
    const [id, node] = [required(request, 'volumeId'), String(request['nodeId'])];
    await this.#turns.run(id, async () => {
      for (const each of node === '' ? (await publishing.published(id)).get(id) ?? [] : [node]) {
        const fence = await publishing.shutOut(id, each);
        if (fence !== undefined) await this.#options.remember({ volume: id, node: each, ...fence });
        await publishing.release(id, each);
      }
    });
    return {};
  }

  async #existing(id: string): Promise<StoredVolume> {
    const found = await this.#options.backend.get(id);
    if (found === undefined) throw new StorageError('VolumeNotFound', `there is no volume ${id}`);
    return found;
  }

  #objection(capability: Capability): string | undefined {
    return objectionTo(capability, this.#options.backend.features, this.#options.fsTypes);
  }

  #mustOffer(capability: Capability): void {
    const objection = this.#objection(capability);
    if (objection !== undefined) throw invalid(objection);
  }

  /** The backend's own parameters. Unknown ones are refused, never ignored. */
  #parametersOf(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const { parameters: known } = this.#options.backend.features;
    const own = Object.entries(given).filter(([key]) => !key.startsWith(OF_SIDECARS));
    for (const [key, value] of own) {
      const check = known[key];
      if (check === undefined) throw invalid(`parameter ${key} is not known; known are ${Object.keys(known).join(', ') || 'none'}`);
      const fault = check(value);
      if (fault !== undefined) throw invalid(`parameter ${key} is ${JSON.stringify(value)}: ${fault}`);
    }
    return Object.fromEntries(own);
  }

  #message({ id, sizeBytes, source, context = {}, topology: own }: StoredVolume): object {
    const { topology: general } = this.#options.backend.features;
    const topology = own ?? (general === undefined ? undefined : [general]);
    return {
      volumeId: id, capacityBytes: sizeBytes, volumeContext: context,
      ...(source === undefined ? {} : { contentSource: source.kind === 'snapshot' ? { snapshot: { snapshotId: source.id } } : { volume: { volumeId: source.id } } }),
      ...(topology === undefined ? {} : { accessibleTopology: topology.map((segments) => ({ segments })) }),
    };
  }
}

function snapshotMessage({ id, volume, sizeBytes, createdAtMs }: StoredSnapshot): object {
  return { snapshotId: id, sourceVolumeId: volume, sizeBytes, creationTime: { seconds: Math.floor(createdAtMs / 1000), nanos: (createdAtMs % 1000) * 1e6 }, readyToUse: true };
}

function sourceOf(given: Message | null): { readonly source?: VolumeSource } {
  if (given === null) return {};
  if (given['snapshot'] !== null) return { source: { kind: 'snapshot', id: required(given['snapshot'], 'snapshotId') } };
  if (given['volume'] !== null) return { source: { kind: 'volume', id: required(given['volume'], 'volumeId') } };
  throw invalid('volume_content_source names neither a snapshot nor a volume');
}

function accessibilityOf(given: Message | null): Pick<VolumeRequest, 'accessibility'> {
  if (given === null) return {};
  const segments = (all: readonly Message[]) => all.map((topology) => topology['segments'] as Readonly<Record<string, string>>);
  return { accessibility: { requisite: segments(given['requisite']), preferred: segments(given['preferred']) } };
}

/** Bytes; 0 means that nothing was said. */
function rangeOf(given: Message | null): { readonly requiredBytes?: number; readonly limitBytes?: number } {
  const [required_, limit] = [Number(given?.['requiredBytes'] ?? 0), Number(given?.['limitBytes'] ?? 0)];
  if (required_ < 0 || limit < 0) throw invalid('capacity_range cannot be negative');
  if (limit > 0 && required_ > limit) throw invalid(`capacity_range asks for at least ${required_} and at most ${limit} bytes`);
  return { ...(required_ === 0 ? {} : { requiredBytes: required_ }), ...(limit === 0 ? {} : { limitBytes: limit }) };
}

/** Whatever has no such id is gone already. */
async function tolerant(removed: Promise<void>): Promise<void> {
  await removed.catch((error: unknown) => {
    if (!(error instanceof StorageError && (error.code === 'VolumeNotFound' || error.code === 'SnapshotNotFound'))) throw error;
  });
}

export function required(request: Message, field: string): string {
  const value = request[field];
  if (typeof value !== 'string' || value === '') throw invalid(`${field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} is required`);
  return value;
}
