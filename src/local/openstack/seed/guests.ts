import { readFile } from 'node:fs/promises';
import type { OpenStackApi } from '../api.ts';
import { zones } from '../place.ts';
import { uploadImage } from './images.ts';
import type { Named } from './named.ts';
import { act, requestServer, serverBecomes } from './servers.ts';
import { eventually } from './waiting-for.ts';

export interface GuestPlan {
  readonly name: string;
  readonly flavor: string;
  /** Of a disk that boots by itself. */
  readonly image: string;
  /** Default: none. Ports are on a bridge where nobody answers DHCP. */
  readonly networks?: readonly string[];
  /** Starts from a new volume with the image's content, of so many GiB, instead of a disk on the host. */
  readonly volumeGiB?: number;
  /** Starts from this volume instead, whose content boots. */
  readonly volume?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly keyName?: string;
  readonly userData?: string;
}

const READY = 'yadokari: ready';
const CONSOLE_LINES = 50;

/** The image of the tiny guest for all projects, from what buildGuestDisk has made; its id. */
export async function uploadGuestDisk(admin: OpenStackApi, disk: string, name = 'tiny'): Promise<string> {
  return uploadImage(admin, { name, format: 'raw', data: await readFile(disk), visibility: 'public', properties: { hw_disk_bus: 'virtio', hw_vif_model: 'virtio', hw_machine_type: 'pc', os_distro: 'yadokari-tiny' } });
}

/** A server that is a real guest; its id once it is active, which is before it has booted. */
export async function makeGuest(api: OpenStackApi, { name, flavor, image, networks = [], volumeGiB, volume, metadata = {}, keyName, userData }: GuestPlan): Promise<string> {
  const source = volume !== undefined ? { uuid: volume, source_type: 'volume' } : volumeGiB === undefined ? undefined : { uuid: image, source_type: 'image', volume_size: volumeGiB };
  const disk = source === undefined ? { imageRef: image } : { block_device_mapping_v2: [{ boot_index: 0, destination_type: 'volume', delete_on_termination: true, ...source }] };
  const told = { ...(keyName === undefined ? {} : { key_name: keyName }), ...(userData === undefined ? {} : { user_data: Buffer.from(userData).toString('base64') }) };
  const id = await requestServer(api, { name, flavorRef: flavor, availability_zone: zones.libvirt, networks: networks.length === 0 ? 'none' : networks.map((uuid) => ({ uuid })), metadata, ...disk, ...told });
  await serverBecomes(api, id, 'ACTIVE');
  return id;
}

/** Resolves once the tiny guest says on its console that it is ready. */
export async function guestReady(api: OpenStackApi, id: string, signal?: AbortSignal): Promise<void> {
  await eventually(`the guest ${id} says that it is ready`, async () => ((await consoleOf(api, id)).includes(READY) ? true : undefined), signal);
}

export async function consoleOf(api: OpenStackApi, id: string): Promise<string> {
  return (await act(api, id, { 'os-getConsoleOutput': { length: CONSOLE_LINES } }) as { readonly output: string | null }).output ?? '';
}

/** The image of a server's disk once it is active. */
export async function snapshotServer(api: OpenStackApi, id: string, name: string): Promise<string> {
  const { image_id: image } = await act(api, id, { createImage: { name } }) as { readonly image_id: string };
  await eventually(`the image ${name} is active`, async () => ((await api.get<Named & { readonly status: string }>('image', `/images/${image}`)).status === 'active' ? true : undefined));
  return image;
}
