import type { OpenStackApi } from '../api.ts';
import type { Named } from './named.ts';

export interface NewImage {
  readonly name: string;
  readonly format: 'raw' | 'qcow2' | 'aki' | 'ari';
  readonly data: Uint8Array;
  /** Default private. */
  readonly visibility?: 'private' | 'public';
  readonly properties?: Readonly<Record<string, string | number>>;
}

/** Uploads an image; returns its id once it is active. */
export async function uploadImage(api: OpenStackApi, { name, format, data, visibility = 'private', properties }: NewImage): Promise<string> {
  const container = format === 'aki' || format === 'ari' ? format : 'bare';
  const { id } = await api.post<Named>('image', '/images', { name, disk_format: format, container_format: container, visibility, ...properties });
  await api.put('image', `/images/${id}/file`, data);
  return id;
}

export interface TenantImages {
  readonly system: string;
  readonly appliance: string;
}

/** Disks of servers that are records: their bytes tell themselves apart, and boot nothing. */
export async function makeImages(tenant: OpenStackApi): Promise<TenantImages> {
  const disk = (text: string) => Buffer.alloc(256 * 1024, `${text}\n`);
  return {
    system: await uploadImage(tenant, { name: 'system-12', format: 'raw', data: disk('a system disk'), properties: { os_distro: 'debian', os_version: '12', hw_disk_bus: 'virtio', hw_vif_model: 'virtio', min_disk: 0, min_ram: 128 } }),
    appliance: await uploadImage(tenant, { name: 'appliance', format: 'raw', data: disk('an appliance'), properties: { os_distro: 'other', hw_disk_bus: 'scsi', hw_scsi_model: 'virtio-scsi', hw_firmware_type: 'uefi', vendor_release: '7' } }),
  };
}
