import type { Microversion } from '../microversion.ts';
import type { Page } from '../page.ts';
import { quotasOf, type Quotas } from '../quota.ts';
import { path, ServiceClient, type ServiceShape } from '../service.ts';
import type { Session } from '../session.ts';
import type { Snapshot, Volume, VolumeAction, VolumeRequest, VolumeService, VolumeType, VolumeUse } from './port.ts';
import { snapshotOf, volumeOf, volumeTypeOf, volumeUseOf } from './wire.ts';

export const CINDER: ServiceShape = {
  name: 'volume',
  version: { segment: 'v3', pattern: /\/v3(\/|$)/, project: true },
  microversions: { major: 3, range: { minimum: '3.0', maximum: '3.70' }, sent: true },
};

/** https://docs.openstack.org/api-ref/block-storage/v3/ */
export class CinderVolumes implements VolumeService {
  readonly #service: ServiceClient;
  readonly #pageSize: number;

  constructor(session: Session, pageSize: number) {
    this.#service = new ServiceClient(session, CINDER);
    this.#pageSize = pageSize;
  }

  supports(version: Microversion, signal?: AbortSignal): Promise<boolean> {
    return this.#service.supports(version, signal);
  }

  volumes(signal?: AbortSignal): AsyncIterable<Page<Volume>> {
    return this.#service.list({ path: '/volumes/detail', field: 'volumes', read: volumeOf, pageSize: this.#pageSize, signal });
  }

  volume(id: string, signal?: AbortSignal): Promise<Volume | undefined> {
    return this.#service.find(path`/volumes/${id}`, (answer) => volumeOf(answer.object('volume')), signal);
  }

  async createVolume(request: VolumeRequest, signal?: AbortSignal): Promise<Volume> {
    const volume = {
      name: request.name,
      size: request.sizeGiB,
      description: request.description,
      volume_type: request.type,
      availability_zone: request.availabilityZone,
      metadata: request.metadata,
      ...(request.source === undefined ? {} : { [{ image: 'imageRef', snapshot: 'snapshot_id', volume: 'source_volid' }[request.source.kind]]: request.source.id }),
    };
    return volumeOf((await this.#service.call('POST', '/volumes', { body: { volume }, signal })).object('volume'));
  }

  deleteVolume(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/volumes/${id}`, signal);
  }

  async extend(id: string, sizeGiB: number, signal?: AbortSignal): Promise<void> {
    await this.#act(id, { 'os-extend': { new_size: sizeGiB } }, signal);
  }

  async act(id: string, action: VolumeAction, signal?: AbortSignal): Promise<void> {
    await this.#act(id, bodyOf(action), signal);
  }

  async uploadToImage(id: string, image: { readonly name: string; readonly diskFormat: string; readonly force?: boolean }, signal?: AbortSignal): Promise<string> {
    const body = { 'os-volume_upload_image': { image_name: image.name, disk_format: image.diskFormat, container_format: 'bare', force: image.force ?? false } };
    return (await this.#act(id, body, signal)).object('os-volume_upload_image').text('image_id');
  }

  snapshots(signal?: AbortSignal): AsyncIterable<Page<Snapshot>> {
    return this.#service.list({ path: '/snapshots/detail', field: 'snapshots', read: snapshotOf, pageSize: this.#pageSize, signal });
  }

  snapshot(id: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    return this.#service.find(path`/snapshots/${id}`, (answer) => snapshotOf(answer.object('snapshot')), signal);
  }

  async createSnapshot(volumeId: string, name: string, metadata: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Snapshot> {
    // From 3.66 on it is always forced, and may only be said so.
    const snapshot = { volume_id: volumeId, name, metadata, ...(await this.supports('3.66', signal) ? {} : { force: true }) };
    return snapshotOf((await this.#service.call('POST', '/snapshots', { body: { snapshot }, signal })).object('snapshot'));
  }

  deleteSnapshot(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/snapshots/${id}`, signal);
  }

  types(signal?: AbortSignal): AsyncIterable<Page<VolumeType>> {
    return this.#service.list({ path: '/types', field: 'volume_types', read: volumeTypeOf, pageSize: this.#pageSize, signal });
  }

  async *uses(signal?: AbortSignal): AsyncGenerator<Page<VolumeUse>, void, undefined> {
    await this.#service.need('3.27', 'to list who uses volumes', signal);
    yield* this.#service.list({ path: '/attachments/detail', field: 'attachments', read: volumeUseOf, pageSize: this.#pageSize, signal });
  }

  async quotas(signal?: AbortSignal): Promise<Quotas> {
    const { projectId } = await this.#service.session.token(signal);
    return quotasOf((await this.#service.call('GET', path`/os-quota-sets/${projectId}`, { query: { usage: 'True' }, signal })).object('quota_set'));
  }

  #act(id: string, body: Readonly<Record<string, unknown>>, signal?: AbortSignal): ReturnType<ServiceClient['call']> {
    return this.#service.call('POST', path`/volumes/${id}/action`, { body, signal });
  }
}

function bodyOf(action: VolumeAction): Readonly<Record<string, unknown>> {
  switch (action.kind) {
    case 'reserve': return { 'os-reserve': null };
    case 'unreserve': return { 'os-unreserve': null };
    case 'beginDetaching': return { 'os-begin_detaching': null };
    case 'rollDetaching': return { 'os-roll_detaching': null };
    case 'setBootable': return { 'os-set_bootable': { bootable: action.bootable } };
    case 'setReadOnly': return { 'os-update_readonly_flag': { readonly: action.readOnly } };
  }
}
