import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyRule } from '../../../network/calico/kinds.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../../openstack/network/types.ts';
import { contextWith, wantedOf } from './context-builder.ts';
import { ruleOf, securityGroups } from './security-groups.ts';

const rule = (fields: Partial<SecurityGroupRule> = {}): SecurityGroupRule => ({ id: 'r1', direction: 'ingress', version: 4, description: '', ...fields });
const metadata = { annotations: { 'openstack.yadokari.dev/id': 'r1' } };

const cases: readonly (readonly [string, Partial<SecurityGroupRule>, Partial<PolicyRule>])[] = [
  ['anything', {}, { ipVersion: 4 }],
  ['anything by IPv6', { version: 6 }, { ipVersion: 6 }],
  ['one port', { protocol: 'tcp', ports: { from: 22, to: 22 }, remoteCidr: '10.0.0.0/8' }, { ipVersion: 4, protocol: 'TCP', source: { nets: ['10.0.0.0/8'] }, destination: { ports: [22] } }],
  ['a range of ports', { protocol: 'udp', ports: { from: 8000, to: 8080 } }, { ipVersion: 4, protocol: 'UDP', destination: { ports: ['8000:8080'] } }],
  ['all ports', { protocol: 'tcp', ports: { from: 1, to: 65_535 } }, { ipVersion: 4, protocol: 'TCP' }],
  ['a remote group', { protocol: 'tcp', remoteGroupId: 'g2' }, { ipVersion: 4, protocol: 'TCP', source: { selector: "openstack.yadokari.dev/sg-g2 == ''" } }],
  ['what goes out to a port of a network', { direction: 'egress', protocol: 'tcp', ports: { from: 443, to: 443 }, remoteCidr: '0.0.0.0/0' }, { ipVersion: 4, protocol: 'TCP', destination: { nets: ['0.0.0.0/0'], ports: [443] } }],
  ['what goes out anywhere', { direction: 'egress', version: 6 }, { ipVersion: 6 }],
  ['all of ICMP', { protocol: 'icmp' }, { ipVersion: 4, protocol: 'ICMP' }],
  ['type and code of ICMP', { protocol: 'icmp', ports: { from: 3, to: 4 } }, { ipVersion: 4, protocol: 'ICMP', icmp: { type: 3, code: 4 } }],
  ['the code 0 of ICMP', { protocol: '1', ports: { from: 8, to: 0 } }, { ipVersion: 4, protocol: 'ICMP', icmp: { type: 8, code: 0 } }],
  ['a type of ICMP with any code', { protocol: 'icmp', ports: { from: 8, to: -1 } }, { ipVersion: 4, protocol: 'ICMP', icmp: { type: 8 } }],
  ['ICMP of IPv6, as Neutron calls it', { protocol: 'icmp', version: 6, ports: { from: 128, to: 0 } }, { ipVersion: 6, protocol: 'ICMPv6', icmp: { type: 128, code: 0 } }],
  ['a protocol by name', { protocol: 'vrrp' }, { ipVersion: 4, protocol: 112 }],
  ['a protocol by number', { protocol: '47' }, { ipVersion: 4, protocol: 47 }],
  ['TCP by number', { protocol: '6', ports: { from: 1, to: 1 } }, { ipVersion: 4, protocol: 'TCP', destination: { ports: [1] } }],
];

for (const [what, given, wanted] of cases) {
  test(`a rule for ${what} is one of Calico's`, () => assert.deepEqual(ruleOf(rule(given)), { action: 'Allow', ...wanted, metadata }));
}

test('a rule that cannot be said allows nothing, and is named', () => {
  assert.match(ruleOf(rule({ remoteAddressGroupId: 'a' })) as string, /rule r1 is of an address group/);
  assert.match(ruleOf(rule({ protocol: 'quic' })) as string, /rule r1 is of protocol quic/);
});

test('a security group is a policy for whatever has its label, in both directions', () => {
  const group: SecurityGroup = { id: 'g1', name: 'Web', projectId: 'p', description: '', tags: [], revision: 1, stateful: false, rules: [rule({ id: 'r2', protocol: 'quic' }), rule({ direction: 'egress' })] };
  const { body, problem } = wantedOf(securityGroups.map(group, contextWith(), undefined));
  assert.equal(securityGroups.baseName(group, contextWith().tenant), 'default.shop-web');
  assert.deepEqual(body, { spec: { tier: 'default', selector: "openstack.yadokari.dev/sg-g1 == ''", types: ['Ingress', 'Egress'], ingress: [], egress: [{ action: 'Allow', ipVersion: 4, metadata }] } });
  assert.match(problem ?? '', /security group Web: it is stateless, .*; rule r2 is of protocol quic/);
});
