import type { Readable } from 'node:stream';
import { OpenStackError } from '../errors.ts';
import type { Page } from '../page.ts';
import { path, ServiceClient, type ServiceShape } from '../service.ts';
import type { Session } from '../session.ts';
import { known, type Wire } from '../wire.ts';
import type { Image, ImageData, ImageRequest, ImageService, ImageStatus } from './port.ts';

export const GLANCE: ServiceShape = {
  name: 'image',
  version: { segment: 'v2', pattern: /\/v2(\.[0-9]+)?(\/|$)/ },
  microversions: { major: 2, range: { minimum: '2.0', maximum: '2.15' }, sent: false },
};

const STATUSES: readonly ImageStatus[] = ['queued', 'saving', 'uploading', 'importing', 'active', 'killed', 'deleted', 'pending_delete', 'deactivated'];
const VISIBILITIES: readonly Image['visibility'][] = ['public', 'private', 'shared', 'community'];

/** Fields of Glance's own; all others are properties that people gave. */
const OWN_FIELDS = new Set([
  'id', 'name', 'status', 'visibility', 'owner', 'disk_format', 'container_format', 'size', 'virtual_size', 'checksum', 'os_hash_algo', 'os_hash_value',
  'min_disk', 'min_ram', 'protected', 'os_hidden', 'tags', 'created_at', 'updated_at', 'self', 'file', 'schema', 'locations', 'direct_url', 'stores',
]);

/** https://docs.openstack.org/api-ref/image/v2/ */
export class GlanceImages implements ImageService {
  readonly #service: ServiceClient;
  readonly #pageSize: number;

  constructor(session: Session, pageSize: number) {
    this.#service = new ServiceClient(session, GLANCE);
    this.#pageSize = pageSize;
  }

  images(signal?: AbortSignal): AsyncIterable<Page<Image>> {
    return this.#service.list({ path: '/images', field: 'images', read: imageOf, pageSize: this.#pageSize, signal });
  }

  async image(id: string, signal?: AbortSignal): Promise<Image | undefined> {
    // Images come without a field around them.
    return this.#service.find(path`/images/${id}`, imageOf, signal);
  }

  async download(id: string, range?: { readonly offset: number; readonly lengthBytes?: number }, signal?: AbortSignal): Promise<ImageData> {
    const last = range?.lengthBytes === undefined ? '' : range.offset + range.lengthBytes - 1;
    const headers = { accept: 'application/octet-stream', ...(range === undefined ? {} : { range: `bytes=${range.offset}-${last}` }) };
    const response = await this.#service.stream(path`/images/${id}/file`, { headers, signal });
    // 204: it has no data yet.
    if (response.statusCode === 204) {
      response.destroy();
      throw new OpenStackError('Conflict', `image: ${id} has no data yet`, { service: 'image' });
    }
    return dataOf(response, response.statusCode === 206, response.headers['content-range'], response.headers['content-length']);
  }

  async createImage(request: ImageRequest, signal?: AbortSignal): Promise<Image> {
    const body = {
      ...request.properties,
      name: request.name,
      disk_format: request.diskFormat,
      container_format: request.containerFormat ?? 'bare',
      visibility: request.visibility ?? 'private',
      min_disk: request.minimumDiskGiB,
      min_ram: request.minimumMemoryMiB,
      tags: request.tags,
    };
    return imageOf(await this.#service.call('POST', '/images', { body, signal }));
  }

  async upload(id: string, data: Readable, sizeBytes?: number, signal?: AbortSignal): Promise<void> {
    const length = sizeBytes === undefined ? {} : { 'content-length': String(sizeBytes) };
    try {
      await this.#service.send('PUT', path`/images/${id}/file`, { body: data, headers: { 'content-type': 'application/octet-stream', ...length }, signal });
    } catch (error) {
      data.destroy();
      throw error;
    }
  }

  deleteImage(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/images/${id}`, signal);
  }
}

function dataOf(stream: Readable, partial: boolean, contentRange = '', contentLength = ''): ImageData {
  const [, first, total] = /^bytes ([0-9]+)-[0-9]+\/([0-9]+|\*)$/.exec(contentRange) ?? [];
  const lengthBytes = /^[0-9]+$/.test(contentLength) ? Number(contentLength) : undefined;
  if (!partial) return known({ stream, offset: 0, lengthBytes, totalBytes: lengthBytes });
  return known({ stream, offset: Number(first ?? 0), lengthBytes, totalBytes: total === undefined || total === '*' ? undefined : Number(total) });
}

function imageOf(wire: Wire): Image {
  const algorithm = wire.textIf('os_hash_algo');
  const hex = wire.textIf('os_hash_value');
  return known({
    id: wire.text('id'),
    name: wire.textIf('name') ?? '',
    status: STATUSES.find((status) => status === wire.text('status')) ?? 'unknown',
    visibility: VISIBILITIES.find((visibility) => visibility === wire.text('visibility')) ?? 'private',
    ownerId: wire.textIf('owner'),
    diskFormat: wire.textIf('disk_format'),
    containerFormat: wire.textIf('container_format'),
    sizeBytes: wire.numberIf('size'),
    virtualSizeBytes: wire.numberIf('virtual_size'),
    hash: algorithm === undefined || hex === undefined ? undefined : Object.freeze({ algorithm, hex }),
    checksum: wire.textIf('checksum'),
    minimumDiskGiB: wire.numberIf('min_disk') ?? 0,
    minimumMemoryMiB: wire.numberIf('min_ram') ?? 0,
    protected: wire.flagIf('protected') ?? false,
    tags: Object.freeze([...wire.texts('tags')].sort()),
    createdAtMs: wire.timeMs('created_at'),
    updatedAtMs: wire.timeMs('updated_at'),
    properties: Object.freeze(Object.fromEntries(wire.entries().filter(([name, value]) => !OWN_FIELDS.has(name) && typeof value === 'string'))) as Readonly<Record<string, string>>,
  });
}
