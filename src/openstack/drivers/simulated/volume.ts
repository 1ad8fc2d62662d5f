import type { Microversion } from '../../microversion.ts';
import type { Page } from '../../page.ts';
import type { Quotas } from '../../quota.ts';
import type { Snapshot, Volume, VolumeAction, VolumeRequest, VolumeService, VolumeType, VolumeUse } from '../../volume/port.ts';
import { known } from '../../wire.ts';
import type { SimulatedImages } from './image.ts';
import { PROJECT_ID, type World } from './world.ts';

type Status = Volume['status'];

/** Cinder in memory, with one type. */
export class SimulatedVolumes implements VolumeService {
  readonly table = new Map<string, Volume>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #types = new Map<string, VolumeType>();
  readonly #world: World;
  readonly #images: SimulatedImages;

  constructor(world: World, images: SimulatedImages) {
    this.#world = world;
    this.#images = images;
    const id = world.nextId('type');
    this.#types.set(id, { id, name: 'simulated', public: true, extraSpecs: {} });
  }

  supports(version: Microversion): Promise<boolean> {
    return this.#world.supports('3.70', version);
  }

  volumes(signal?: AbortSignal): AsyncIterable<Page<Volume>> {
    return this.#world.pages('volume', 'GET /volumes', this.table, signal);
  }

  async volume(id: string, signal?: AbortSignal): Promise<Volume | undefined> {
    await this.#world.call('volume', 'GET /volumes/id', signal);
    return this.table.get(id);
  }

  async createVolume(request: VolumeRequest, signal?: AbortSignal): Promise<Volume> {
    await this.#world.call('volume', 'POST /volumes', signal);
    const { source } = request;
    const made = this.put(known({
      id: this.#world.nextId('volume'), name: request.name, description: request.description, status: 'creating' as const, sizeGiB: request.sizeGiB, type: request.type ?? 'simulated', projectId: PROJECT_ID,
      bootable: source?.kind === 'image', encrypted: false, multiattach: false, availabilityZone: request.availabilityZone ?? 'nova',
      snapshotId: source?.kind === 'snapshot' ? source.id : undefined, sourceVolumeId: source?.kind === 'volume' ? source.id : undefined,
      metadata: request.metadata ?? {}, attachments: [], createdAtMs: this.#world.nowMs(),
    }));
    this.#settle(made.id, { status: 'available' });
    return made;
  }

  async deleteVolume(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('volume', 'DELETE /volumes/id', signal);
    const volume = this.table.get(id);
    if (volume === undefined) return;
    const held = [...this.#snapshots.values()].some(({ volumeId }) => volumeId === id);
    if (held || !['available', 'error'].includes(volume.status)) throw this.#world.error('volume', 'InvalidRequest', `Invalid volume: Volume status must be available or error, and it must have no snapshots; it is ${volume.status}`);
    this.change(id, { status: 'deleting' });
    this.#world.later(this.#world.options.actionMs ?? 500, () => this.table.delete(id));
  }

  async extend(id: string, sizeGiB: number, signal?: AbortSignal): Promise<void> {
    await this.#world.call('volume', 'POST /volumes/id/action', signal);
    const volume = this.#expect(id, 'available', 'in-use');
    if (sizeGiB <= volume.sizeGiB) throw this.#world.error('volume', 'InvalidRequest', `New size for extend must be greater than current size, ${volume.sizeGiB}`);
    this.change(id, { status: 'extending' });
    this.#settle(id, { status: volume.status, sizeGiB });
  }

  async act(id: string, action: VolumeAction, signal?: AbortSignal): Promise<void> {
    await this.#world.call('volume', 'POST /volumes/id/action', signal);
    const turn = (from: Status, to: Status): void => {
      this.#expect(id, from);
      this.change(id, { status: to });
    };
    if (action.kind === 'setBootable') this.change(id, { bootable: action.bootable });
    switch (action.kind) {
      case 'reserve': return turn('available', 'reserved');
      case 'unreserve': return turn('reserved', 'available');
      case 'beginDetaching': return turn('in-use', 'detaching');
      case 'rollDetaching': return turn('detaching', 'in-use');
      case 'setBootable': case 'setReadOnly': return void this.#expect(id);
    }
  }

  async uploadToImage(id: string, image: { readonly name: string; readonly diskFormat: string; readonly force?: boolean }, signal?: AbortSignal): Promise<string> {
    await this.#world.call('volume', 'POST /volumes/id/action', signal);
    const volume = image.force === true ? this.#expect(id, 'available', 'in-use') : this.#expect(id, 'available');
    this.change(id, { status: 'uploading' });
    this.#settle(id, { status: volume.status });
    return this.#images.begin(image.name, image.diskFormat, {}).id;
  }

  snapshots(signal?: AbortSignal): AsyncIterable<Page<Snapshot>> {
    return this.#world.pages('volume', 'GET /snapshots', this.#snapshots, signal);
  }

  async snapshot(id: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    await this.#world.call('volume', 'GET /snapshots/id', signal);
    return this.#snapshots.get(id);
  }

  async createSnapshot(volumeId: string, name: string, metadata: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Snapshot> {
    await this.#world.call('volume', 'POST /snapshots', signal);
    const { sizeGiB } = this.#expect(volumeId, 'available', 'in-use');
    const made: Snapshot = Object.freeze({ id: this.#world.nextId('snapshot'), name, status: 'creating', volumeId, sizeGiB, metadata, createdAtMs: this.#world.nowMs() });
    this.#snapshots.set(made.id, made);
    this.#world.later(this.#world.options.actionMs ?? 500, () => {
      if (this.#snapshots.has(made.id)) this.#snapshots.set(made.id, Object.freeze({ ...made, status: 'available', updatedAtMs: this.#world.nowMs() }));
    });
    return made;
  }

  async deleteSnapshot(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('volume', 'DELETE /snapshots/id', signal);
    this.#snapshots.delete(id);
  }

  types(signal?: AbortSignal): AsyncIterable<Page<VolumeType>> {
    return this.#world.pages('volume', 'GET /types', this.#types, signal);
  }

  async *uses(signal?: AbortSignal): AsyncGenerator<Page<VolumeUse>, void, undefined> {
    for await (const page of this.#world.pages('volume', 'GET /attachments', this.table, signal)) {
      yield { ...page, items: page.items.flatMap(({ id, attachments }) => attachments.map(({ attachmentId, serverId }) => ({ id: attachmentId, status: 'attached', volumeId: id, serverId, mode: 'rw' }))) };
    }
  }

  async quotas(signal?: AbortSignal): Promise<Quotas> {
    await this.#world.call('volume', 'GET /os-quota-sets', signal);
    const gigabytes = [...this.table.values()].reduce((sum, { sizeGiB }) => sum + sizeGiB, 0);
    return { volumes: { used: this.table.size, reserved: 0 }, gigabytes: { used: gigabytes, reserved: 0 }, snapshots: { used: this.#snapshots.size, reserved: 0 } };
  }

  put(volume: Volume): Volume {
    this.table.set(volume.id, Object.freeze(volume));
    return volume;
  }

  change(id: string, fields: Partial<Volume>): void {
    const volume = this.table.get(id);
    if (volume !== undefined) this.put({ ...volume, ...fields, updatedAtMs: this.#world.nowMs() });
  }

  #settle(id: string, fields: Partial<Volume>): void {
    this.#world.later(this.#world.options.actionMs ?? 500, () => this.change(id, fields));
  }

  #expect(id: string, ...statuses: readonly Status[]): Volume {
    const volume = this.table.get(id);
    if (volume === undefined) throw this.#world.error('volume', 'NotFound', `Volume ${id} could not be found.`);
    if (statuses.length > 0 && !statuses.includes(volume.status)) throw this.#world.error('volume', 'InvalidRequest', `Invalid volume: it is ${volume.status}, and must be ${statuses.join(' or ')}`);
    return volume;
  }
}
