import type { OpenStackApi } from '../api.ts';
import type { Named } from './named.ts';
import { eventually } from './waiting-for.ts';

export interface TenantNetworks {
  readonly front: string;
  readonly back: string;
  readonly router: string;
}

/** Two networks, the first with IPv6 too, and a router that has both and leads outside. */
export async function makeNetworks(tenant: OpenStackApi, externalNetwork: string): Promise<TenantNetworks> {
  const front = await makeNetwork(tenant, 'front', { mtu: 1400, description: 'What is seen from outside' });
  const back = await makeNetwork(tenant, 'back', { port_security_enabled: true });
  const subnets = [
    await makeSubnet(tenant, { name: 'front-v4', network_id: front, ip_version: 4, cidr: '10.9.0.0/16', dns_nameservers: ['192.0.2.53'], allocation_pools: [{ start: '10.9.1.0', end: '10.9.255.254' }] }),
    await makeSubnet(tenant, { name: 'front-v6', network_id: front, ip_version: 6, cidr: 'fd00:9::/64', ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' }),
    await makeSubnet(tenant, { name: 'back-v4', network_id: back, ip_version: 4, cidr: '10.10.0.0/16', host_routes: [{ destination: '192.168.77.0/24', nexthop: '10.10.0.1' }] }),
  ];
  const { router } = await tenant.post<{ readonly router: Named }>('network', '/routers', { router: { name: 'edge', external_gateway_info: { network_id: externalNetwork } } });
  for (const subnet of subnets) await tenant.put('network', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet });
  return { front, back, router: router.id };
}

async function makeNetwork(tenant: OpenStackApi, name: string, more: object): Promise<string> {
  return (await tenant.post<{ readonly network: Named }>('network', '/networks', { network: { name, ...more } })).network.id;
}

async function makeSubnet(tenant: OpenStackApi, subnet: object): Promise<string> {
  return (await tenant.post<{ readonly subnet: Named }>('network', '/subnets', { subnet })).subnet.id;
}

/** An address outside, for the first port of a server, once Nova knows of it too. */
export async function makeFloatingIp(tenant: OpenStackApi, externalNetwork: string, server: string): Promise<string> {
  const { ports } = await tenant.get<{ readonly ports: readonly { readonly id: string }[] }>('network', `/ports?device_id=${server}`);
  const { floatingip } = await tenant.post<{ readonly floatingip: { readonly floating_ip_address: string } }>('network', '/floatingips', { floatingip: { floating_network_id: externalNetwork, port_id: ports[0]?.id } });
  const address = floatingip.floating_ip_address;
  const shown = async () => Object.values((await tenant.get<{ readonly server: { readonly addresses: Readonly<Record<string, readonly { readonly addr: string }[]>> } }>('compute', `/servers/${server}`)).server.addresses).flat();
  await eventually(`server ${server} has the address ${address}`, async () => ((await shown()).some(({ addr }) => addr === address) ? true : undefined));
  return address;
}
