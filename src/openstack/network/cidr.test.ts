import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPrivate, overlaps } from './cidr.ts';

test('networks overlap when they share an address', () => {
  const pairs: readonly (readonly [string, string, boolean])[] = [
    ['10.0.0.0/8', '10.244.0.0/16', true], ['10.244.0.0/16', '10.0.0.0/8', true], ['10.244.0.0/16', '10.245.0.0/16', false], ['192.168.1.0/24', '192.168.1.255/32', true], ['10.0.0.5/24', '10.0.0.0/25', true],
    ['0.0.0.0/0', '203.0.113.0/24', true], ['fd00::/8', 'fd12:3456::/32', true], ['fd00:0:0:1::/64', 'fd00:0:0:2::/64', false], ['fd00::1/128', 'fd00::/127', true], ['::ffff:10.0.0.0/104', '::ffff:10.1.2.3/128', true],
    ['10.0.0.0/8', 'fd00::/8', false], ['nonsense', '10.0.0.0/8', false], ['10.0.0.0/33', '10.0.0.0/8', false],
  ];
  for (const [one, other, wanted] of pairs) assert.equal(overlaps(one, other), wanted, `${one} and ${other}`);
});

test('private networks are those that lie wholly in private ranges', () => {
  for (const cidr of ['10.1.0.0/16', '172.31.0.0/16', '192.168.0.0/24', '100.64.1.0/24', 'fd00:1::/64']) assert.ok(isPrivate(cidr), cidr);
  for (const cidr of ['172.32.0.0/16', '172.0.0.0/8', '203.0.113.0/24', '0.0.0.0/0', '2001:db8::/64', 'nonsense']) assert.ok(!isPrivate(cidr), cidr);
});
