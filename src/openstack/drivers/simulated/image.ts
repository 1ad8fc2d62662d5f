import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Image, ImageData, ImageRequest, ImageService } from '../../image/port.ts';
import type { Page } from '../../page.ts';
import { known } from '../../wire.ts';
import { PROJECT_ID, type World } from './world.ts';

/** Glance in memory, with the data of its images. */
export class SimulatedImages implements ImageService {
  readonly table = new Map<string, Image>();
  readonly #data = new Map<string, Buffer>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    const { id } = this.#make({ name: 'tiny', diskFormat: 'raw' });
    this.#fill(id, Buffer.alloc(65_536));
  }

  images(signal?: AbortSignal): AsyncIterable<Page<Image>> {
    return this.#world.pages('image', 'GET /images', this.table, signal);
  }

  async image(id: string, signal?: AbortSignal): Promise<Image | undefined> {
    await this.#world.call('image', 'GET /images/id', signal);
    return this.table.get(id);
  }

  async download(id: string, range?: { readonly offset: number; readonly lengthBytes?: number }, signal?: AbortSignal): Promise<ImageData> {
    await this.#world.call('image', 'GET /images/id/file', signal);
    const data = this.#data.get(id);
    if (data === undefined) throw this.#world.error('image', this.table.has(id) ? 'Conflict' : 'NotFound', `${id} has no data`);
    const offset = range?.offset ?? 0;
    const part = data.subarray(offset, range?.lengthBytes === undefined ? undefined : offset + range.lengthBytes);
    return { stream: Readable.from([part]), offset, lengthBytes: part.length, totalBytes: data.length };
  }

  async createImage(request: ImageRequest, signal?: AbortSignal): Promise<Image> {
    await this.#world.call('image', 'POST /images', signal);
    return this.#make(request);
  }

  async upload(id: string, data: Readable, _sizeBytes?: number, signal?: AbortSignal): Promise<void> {
    await this.#world.call('image', 'PUT /images/id/file', signal);
    const image = this.table.get(id);
    if (image?.status !== 'queued') {
      data.destroy();
      throw this.#world.error('image', image === undefined ? 'NotFound' : 'Conflict', `${id} takes no data`);
    }
    this.#fill(id, await buffer(data));
  }

  async deleteImage(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('image', 'DELETE /images/id', signal);
    this.table.delete(id);
    this.#data.delete(id);
  }

  /** An image that Nova or Cinder makes, and which is active later. */
  begin(name: string, diskFormat: string, properties: Readonly<Record<string, string>>): Image {
    const image = this.#make({ name, diskFormat, properties });
    this.#world.later(this.#world.options.actionMs ?? 500, () => this.#fill(image.id, Buffer.alloc(65_536)));
    return image;
  }

  #make(request: ImageRequest): Image {
    const nowMs = this.#world.nowMs();
    return this.#put(known({
      id: this.#world.nextId('image'), name: request.name, status: 'queued' as const, visibility: request.visibility ?? 'private' as const, ownerId: PROJECT_ID, diskFormat: request.diskFormat, containerFormat: request.containerFormat ?? 'bare',
      minimumDiskGiB: request.minimumDiskGiB ?? 0, minimumMemoryMiB: request.minimumMemoryMiB ?? 0, protected: false, tags: request.tags ?? [], createdAtMs: nowMs, updatedAtMs: nowMs, properties: request.properties ?? {},
    }));
  }

  #fill(id: string, data: Buffer): void {
    const image = this.table.get(id);
    if (image === undefined) return;
    this.#data.set(id, data);
    this.#put({ ...image, status: 'active', sizeBytes: data.length, updatedAtMs: this.#world.nowMs() });
  }

  #put(image: Image): Image {
    this.table.set(image.id, Object.freeze(image));
    return image;
  }
}
