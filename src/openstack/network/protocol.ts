import type { SecurityGroupRule } from './types.ts';

/** https://www.iana.org/assignments/protocol-numbers, for names that Neutron takes and policies have none for. */
const NUMBERS: Readonly<Record<string, number>> = {
  ah: 51, dccp: 33, egp: 8, esp: 50, gre: 47, igmp: 2, ipip: 4, 'ipv6-encap': 41, 'ipv6-frag': 44, 'ipv6-nonxt': 59, 'ipv6-opts': 60, 'ipv6-route': 43, ospf: 89, pgm: 113, rsvp: 46, vrrp: 112,
};
const NAMES: Readonly<Record<string, string>> = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP', udplite: 'UDPLite', 6: 'TCP', 17: 'UDP', 132: 'SCTP', 136: 'UDPLite' };

/** As policies name it, or its number. Undefined: any; null: none that is known. */
export function protocolOf({ protocol, version }: Pick<SecurityGroupRule, 'protocol' | 'version'>): string | number | undefined | null {
  if (protocol === undefined || protocol === 'any' || protocol === '0') return undefined;
  const name = protocol.toLowerCase();
  // Neutron means the ICMP of the rule's own version.
  if (['icmp', '1', 'icmpv6', 'ipv6-icmp', '58'].includes(name)) return version === 4 ? 'ICMP' : 'ICMPv6';
  if (NAMES[name] !== undefined) return NAMES[name];
  if (NUMBERS[name] !== undefined) return NUMBERS[name];
  return /^\d{1,3}$/.test(name) && Number(name) <= 255 ? Number(name) : null;
}
