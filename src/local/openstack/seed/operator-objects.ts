import type { OpenStackApi } from '../api.ts';
import { VOLUME_BACKEND } from '../conf/cinder.ts';
import type { Named } from './named.ts';

/** What the owner of an OpenStack provides to all tenants; made once, whoever comes second finds it. */
export interface OperatorObjects {
  readonly flavors: Readonly<Record<FlavorName, string>>;
  readonly externalNetwork: string;
}

const flavors = {
  'm1.nano': { vcpus: 1, ram: 256, disk: 1 },
  'm1.tiny': { vcpus: 1, ram: 512, disk: 1 },
  'm1.small': { vcpus: 1, ram: 2048, disk: 20 },
  'm1.medium': { vcpus: 2, ram: 4096, disk: 40 },
} as const;
export type FlavorName = keyof typeof flavors;
/** The first is the default one. */
export const volumeTypes = [VOLUME_BACKEND, 'economy'] as const;
export const EXTERNAL_NETWORK = 'public';

export async function ensureOperatorObjects(admin: OpenStackApi): Promise<OperatorObjects> {
  const made: Partial<Record<FlavorName, string>> = {};
  const known = (await admin.get<{ readonly flavors: readonly Named[] }>('compute', '/flavors')).flavors;
  for (const [name, size] of Object.entries(flavors) as [FlavorName, object][]) made[name] = known.find((one) => one.name === name)?.id ?? await makeFlavor(admin, name, size);
  const types = (await admin.get<{ readonly volume_types: readonly Named[] }>('volumev3', '/types')).volume_types;
  for (const name of volumeTypes.filter((type) => types.every((one) => one.name !== type))) {
    await admin.post('volumev3', '/types', { volume_type: { name, description: `Volumes of the backend ${VOLUME_BACKEND}`, extra_specs: { volume_backend_name: VOLUME_BACKEND } } });
  }
  return { flavors: made as Record<FlavorName, string>, externalNetwork: await ensureExternalNetwork(admin) };
}

async function makeFlavor(admin: OpenStackApi, name: string, size: object): Promise<string> {
  const { flavor } = await admin.post<{ readonly flavor: Named }>('compute', '/flavors', { flavor: { name, ...size } });
  await admin.post('compute', `/flavors/${flavor.id}/os-extra_specs`, { extra_specs: { 'hw:cpu_policy': 'shared' } });
  return flavor.id;
}

async function ensureExternalNetwork(admin: OpenStackApi): Promise<string> {
  const { networks } = await admin.get<{ readonly networks: readonly Named[] }>('network', `/networks?name=${EXTERNAL_NETWORK}`);
  if (networks[0] !== undefined) return networks[0].id;
  const { network } = await admin.post<{ readonly network: Named }>('network', '/networks', { network: { 'name': EXTERNAL_NETWORK, 'router:external': true, 'provider:network_type': 'flat', 'provider:physical_network': 'outside' } });
  await admin.post('network', '/subnets', { subnet: { name: `${EXTERNAL_NETWORK}-v4`, network_id: network.id, ip_version: 4, cidr: '203.0.113.0/24', enable_dhcp: false } });
  return network.id;
}
