import type { OpenStackApi } from '../api.ts';
import type { Named } from './named.ts';

export const securityGroups = ['web', 'db', 'operations'] as const;
export type SecurityGroups = Readonly<Record<(typeof securityGroups)[number], string>>;

type Rule = Readonly<Record<string, string | number>>;

/** Rules of every kind that there is: ports and ranges, ICMP by type, protocols by number, prefixes, other groups and the own one, both families, both directions. */
export function rulesOf(groups: SecurityGroups): Readonly<Record<keyof SecurityGroups, readonly Rule[]>> {
  const tcp = (port: number, more: Rule): Rule => ({ direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port_range_min: port, port_range_max: port, ...more });
  return {
    web: [
      ...[80, 443].map((port) => tcp(port, { remote_ip_prefix: '0.0.0.0/0' })), tcp(443, { ethertype: 'IPv6', remote_ip_prefix: '::/0' }),
      { direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp', port_range_min: 8, port_range_max: 0 }, { direction: 'ingress', ethertype: 'IPv6', protocol: 'ipv6-icmp' },
    ],
    db: [tcp(5432, { remote_group_id: groups.web }), { direction: 'ingress', ethertype: 'IPv4', remote_group_id: groups.db }],
    operations: [
      tcp(22, { remote_ip_prefix: '198.51.100.0/24', description: 'The office' }),
      { direction: 'ingress', ethertype: 'IPv4', protocol: 'udp', port_range_min: 60_000, port_range_max: 61_000, remote_ip_prefix: '198.51.100.0/24' },
      { direction: 'ingress', ethertype: 'IPv4', protocol: '112', remote_group_id: groups.operations }, { direction: 'egress', ethertype: 'IPv4', protocol: 'tcp', port_range_min: 1, port_range_max: 65_535, remote_ip_prefix: '192.0.2.0/24' },
    ],
  };
}

export async function makeSecurityGroups(tenant: OpenStackApi): Promise<SecurityGroups> {
  const made: Record<string, string> = {};
  for (const name of securityGroups) made[name] = (await tenant.post<{ readonly security_group: Named }>('network', '/security-groups', { security_group: { name, description: `Who may reach ${name}` } })).security_group.id;
  const groups = made as SecurityGroups;
  for (const [name, rules] of Object.entries(rulesOf(groups))) {
    await tenant.post('network', '/security-group-rules', { security_group_rules: rules.map((rule) => ({ ...rule, security_group_id: made[name] })) });
  }
  return groups;
}
