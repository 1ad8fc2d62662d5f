import { known, type Wire } from '../wire.ts';
import type { FixedAddress, FloatingAddress, Network, NetworkObject, Port, Route, Router, SecurityGroup, SecurityGroupRule, Subnet } from './types.ts';

function objectOf(wire: Wire): NetworkObject {
  return known({
    id: wire.text('id'),
    name: wire.textIf('name') ?? '',
    projectId: wire.textIf('project_id') ?? wire.textIf('tenant_id') ?? '',
    description: wire.textIf('description') ?? '',
    tags: Object.freeze([...wire.texts('tags')].sort()),
    createdAtMs: wire.timeMsIf('created_at'),
    updatedAtMs: wire.timeMsIf('updated_at'),
    revision: wire.numberIf('revision_number') ?? 0,
  });
}

function addressesOf(wire: Wire, field: string): readonly FixedAddress[] {
  return wire.each(field, (one) => Object.freeze({ subnetId: one.text('subnet_id'), address: one.text('ip_address') }));
}

function routesOf(wire: Wire, field: string): readonly Route[] {
  return wire.each(field, (one) => Object.freeze({ destination: one.text('destination'), nextHop: one.text('nexthop') }));
}

export function networkOf(wire: Wire): Network {
  return known({
    ...objectOf(wire),
    status: wire.text('status'),
    up: wire.flag('admin_state_up'),
    mtu: wire.numberIf('mtu'),
    external: wire.flagIf('router:external') ?? false,
    shared: wire.flagIf('shared') ?? false,
    subnetIds: Object.freeze([...wire.texts('subnets')].sort()),
    portSecurity: wire.flagIf('port_security_enabled') ?? true,
  });
}

export function subnetOf(wire: Wire): Subnet {
  return known({
    ...objectOf(wire),
    networkId: wire.text('network_id'),
    version: wire.number('ip_version') === 6 ? 6 as const : 4 as const,
    cidr: wire.text('cidr'),
    gateway: wire.textIf('gateway_ip'),
    dhcp: wire.flag('enable_dhcp'),
    pools: wire.each('allocation_pools', (pool) => Object.freeze({ start: pool.text('start'), end: pool.text('end') })),
    dnsServers: wire.texts('dns_nameservers'),
    routes: routesOf(wire, 'host_routes'),
    addressMode: wire.textIf('ipv6_address_mode'),
  });
}

export function portOf(wire: Wire): Port {
  return known({
    ...objectOf(wire),
    networkId: wire.text('network_id'),
    macAddress: wire.text('mac_address'),
    status: wire.text('status'),
    up: wire.flag('admin_state_up'),
    deviceId: wire.textIf('device_id'),
    deviceOwner: wire.textIf('device_owner'),
    addresses: addressesOf(wire, 'fixed_ips'),
    allowedPairs: wire.each('allowed_address_pairs', (pair) => known({ address: pair.text('ip_address'), macAddress: pair.textIf('mac_address') })),
    securityGroupIds: Object.freeze([...wire.texts('security_groups')].sort()),
    portSecurity: wire.flagIf('port_security_enabled') ?? true,
    vnicType: wire.textIf('binding:vnic_type') ?? 'normal',
  });
}

export function routerOf(wire: Wire): Router {
  const gateway = wire.objectIf('external_gateway_info');
  return known({
    ...objectOf(wire),
    status: wire.text('status'),
    up: wire.flag('admin_state_up'),
    gateway: gateway === undefined ? undefined : Object.freeze({ networkId: gateway.text('network_id'), addresses: addressesOf(gateway, 'external_fixed_ips'), snat: gateway.flagIf('enable_snat') ?? true }),
    routes: routesOf(wire, 'routes'),
  });
}

export function floatingAddressOf(wire: Wire): FloatingAddress {
  const address = wire.text('floating_ip_address');
  return known({
    ...objectOf(wire),
    name: address,
    address,
    status: wire.textIf('status') ?? 'DOWN',
    networkId: wire.text('floating_network_id'),
    routerId: wire.textIf('router_id'),
    portId: wire.textIf('port_id'),
    fixedAddress: wire.textIf('fixed_ip_address'),
  });
}

export function securityGroupOf(wire: Wire): SecurityGroup {
  return known({
    ...objectOf(wire),
    stateful: wire.flagIf('stateful') ?? true,
    // Their order means nothing, and changes.
    rules: Object.freeze([...wire.each('security_group_rules', ruleOf)].sort((a, b) => (a.id < b.id ? -1 : 1))),
  });
}

const ICMP = new Set(['icmp', 'icmpv6', 'ipv6-icmp', '1', '58']);

function ruleOf(wire: Wire): SecurityGroupRule {
  const from = wire.numberIf('port_range_min');
  const protocol = wire.textIf('protocol');
  // A type of ICMP without a code is one with any.
  const to = wire.numberIf('port_range_max') ?? (ICMP.has(protocol ?? '') ? -1 : from);
  return known({
    id: wire.text('id'),
    direction: wire.text('direction') === 'ingress' ? 'ingress' as const : 'egress' as const,
    version: wire.text('ethertype') === 'IPv6' ? 6 as const : 4 as const,
    protocol,
    ports: from === undefined || to === undefined ? undefined : Object.freeze({ from, to }),
    remoteCidr: wire.textIf('remote_ip_prefix'),
    remoteGroupId: wire.textIf('remote_group_id'),
    remoteAddressGroupId: wire.textIf('remote_address_group_id'),
    description: wire.textIf('description') ?? '',
  });
}
