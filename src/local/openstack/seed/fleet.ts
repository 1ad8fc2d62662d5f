import { randomBytes, randomUUID } from 'node:crypto';
import type { OpenStackApi } from '../api.ts';
import type { OpenStackSite } from '../openstack-site.ts';
import { LocalError } from '../../errors.ts';
import { freeAddresses, type AddressPool } from './free-addresses.ts';
import { COLUMNS, copyStatements, parseColumns, type CopiedServer, type ServerCopy } from './server-copies.ts';
import { requestServer, serverBecomes } from './servers.ts';

export interface FleetOptions {
  readonly count: number;
  /** Servers are called so with `-1` and on: lower case letters, digits and dashes. */
  readonly prefix: string;
  readonly flavor: string;
  readonly image: string;
  /** Each server gets a port there, with an address of its first IPv4 subnet. Default: no network. */
  readonly network?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Port {
  readonly id: string;
  readonly mac_address: string;
  readonly fixed_ips: readonly { readonly subnet_id: string; readonly ip_address: string }[];
}

/**
 * Many servers that are records, in seconds: Nova makes the first, and all others are copies of its rows in the databases of
 * Nova, Neutron and Placement, spread over the fake hosts. It takes Nova and Neutron up to a second to make one.
 */
export async function seedFleet(site: OpenStackSite, api: OpenStackApi, options: FleetOptions): Promise<void> {
  const { count, prefix, flavor, image, network, metadata = {} } = options;
  if (!/^[a-z0-9-]+$/.test(prefix)) throw new LocalError('BadPrefix', `Servers cannot be called "${prefix}": use lower case letters, digits and dashes.`);
  const first = await requestServer(api, { name: `${prefix}-1`, flavorRef: flavor, imageRef: image, networks: network === undefined ? 'none' : [{ uuid: network }], metadata });
  await serverBecomes(api, first, 'ACTIVE');
  if (count === 1) return;
  const server = await copiedServer(api, first);
  const copies = await newCopies(site, api, server, options);
  await site.database.sql(...copyStatements(server, copies, parseColumns(await site.database.sql(COLUMNS))));
}

async function copiedServer(api: OpenStackApi, id: string): Promise<CopiedServer> {
  const { ports: [port] } = await api.get<{ readonly ports: readonly Port[] }>('network', `/ports?device_id=${id}`);
  const fixed = port?.fixed_ips[0];
  if (port === undefined || fixed === undefined) return { id };
  if (port.fixed_ips.length > 1 || fixed.ip_address.includes(':')) throw new LocalError('SeedFailed', 'Servers are copied with one IPv4 address each: choose a network with one subnet, of IPv4.');
  return { id, port: { id: port.id, mac: port.mac_address, address: fixed.ip_address, subnet: fixed.subnet_id } };
}

async function newCopies(site: OpenStackSite, api: OpenStackApi, { port }: CopiedServer, { count, prefix }: FleetOptions): Promise<readonly ServerCopy[]> {
  const addresses = port === undefined ? [] : await addressesOf(api, port.subnet, count - 1);
  const vendor = randomBytes(2).toString('hex');
  return Array.from({ length: count - 1 }, (_, index) => ({
    id: randomUUID(), port: randomUUID(), name: `${prefix}-${index + 2}`, host: site.fakeHosts[index % site.fakeHosts.length] ?? '',
    mac: `fa${vendor}${index.toString(16).padStart(6, '0')}`.replaceAll(/(..)(?=.)/g, '$1:'), address: addresses[index] ?? '',
  }));
}

async function addressesOf(api: OpenStackApi, subnet: string, count: number): Promise<readonly string[]> {
  const [{ subnet: { allocation_pools: pools } }, { ports }] = await Promise.all([
    api.get<{ readonly subnet: { readonly allocation_pools: readonly AddressPool[] } }>('network', `/subnets/${subnet}`),
    api.get<{ readonly ports: readonly Port[] }>('network', `/ports?fixed_ips=subnet_id%3D${subnet}`),
  ]);
  const free = freeAddresses(pools, new Set(ports.flatMap(({ fixed_ips: fixed }) => fixed.map((one) => one.ip_address))), count);
  if (free.length < count) throw new LocalError('SeedFailed', `The subnet has only ${free.length} free addresses for ${count} servers.`);
  return free;
}
