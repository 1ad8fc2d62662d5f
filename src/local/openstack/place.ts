import { createHash } from 'node:crypto';
import type { OpenStackPorts } from './ports.ts';

/** Where an OpenStack of this machine lives. */
export interface OpenStackPlace {
  /** All that it keeps. */
  readonly folder: string;
  /** Of this machine; all APIs are reached there. */
  readonly address: string;
  readonly ports: OpenStackPorts;
  /** The unpacked service packages. */
  readonly programs: string;
}

/**
 * Its processes see the folder here, wherever it is: the databases are full of paths, and are the same for all.
 * The folder is there on every Linux, and what else it holds nobody of them needs.
 */
export const INSIDE = '/mnt';

/** Which hosts of servers there are. */
export interface OpenStackShape {
  /** Hosts whose servers are records only. Default 2. */
  readonly fakeHosts?: number;
  /** One more host, whose servers are guests of QEMU without hardware's help. Default false. */
  readonly libvirt?: boolean;
}

export const LIBVIRT_HOST = 'libvirt-1';
/** The availability zones. Servers get into the first unless they ask for the second, or there is no other. */
export const zones = { fake: 'nova', libvirt: 'libvirt' } as const;

/** Of servers that ask for none. */
export function defaultZone(shape: OpenStackShape): string {
  return fakeHosts(shape).length === 0 ? zones.libvirt : zones.fake;
}

export function fakeHosts({ fakeHosts = 2 }: OpenStackShape): readonly string[] {
  return Array.from({ length: fakeHosts }, (_, index) => `fake-${index + 1}`);
}

/** The share of volumes, as Cinder and Nova name it, and the folder's name that both derive from that. */
export const SHARE = `127.0.0.1:${INSIDE}/volumes`;
export const SHARE_FOLDER = createHash('md5').update(SHARE).digest('hex');

/** `http://127.0.0.1:20001/v3`: where one signs in. */
export function authUrl({ address, ports }: Pick<OpenStackPlace, 'address' | 'ports'>): string {
  return `http://${address}:${ports.keystone}/v3`;
}

export const REGION = 'RegionOne';
/** The user of each service has its name; one secret does for all of them and for the administrator. */
export const serviceUsers = ['nova', 'neutron', 'glance', 'cinder', 'placement'] as const;
