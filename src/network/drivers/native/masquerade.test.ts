import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { masqueradeRules } from './masquerade.ts';

describe('the rules of the packet filter', () => {
  const input = { pools: ['10.244.0.0/16'], masqueraded: ['10.244.0.0/16'], nodes: ['172.30.0.1'], network: '172.30.0.0/24', hosts: [], floating: new Map<string, string>(), metadata: { host: '169.254.1.1', port: 9403, clients: [] } };

  it('leads what guests ask of their metadata to this node, by interface and address', () => {
    const { metadata } = input;
    const rules = masqueradeRules({ ...input, metadata: { ...metadata, clients: [{ tap: 'cali2', address: '10.244.0.6' }, { tap: 'cali1', address: '10.244.0.5' }] } });
    assert.match(rules, /set metadata \{\n    type ifname \. ipv4_addr\n    elements = \{ "cali1" \. 10\.244\.0\.5, "cali2" \. 10\.244\.0\.6 \}/);
    assert.match(rules, /iifname \. ip saddr @metadata ip daddr 169\.254\.169\.254 tcp dport 80 dnat to 169\.254\.1\.1:9403/);
    assert.doesNotMatch(masqueradeRules(input), /metadata|prerouting/);
  });

  it('give the node\'s address to what leaves for the world alone', () => {
    assert.match(masqueradeRules(input), /ip saddr @masqueraded ip daddr != @pools ip daddr != @nodes/);
  });

  it('lead floating addresses to their guests, and back to the world', () => {
    const rules = masqueradeRules({ ...input, floating: new Map([['203.0.113.7', '10.244.0.5'], ['203.0.113.6', '10.244.0.6']]) });
    assert.match(rules, /map floating \{\n    type ipv4_addr : ipv4_addr\n    elements = \{ 203\.0\.113\.6 : 10\.244\.0\.6, 203\.0\.113\.7 : 10\.244\.0\.5 \}/);
    assert.match(rules, /elements = \{ 10\.244\.0\.5 \. 10\.244\.0\.5, 10\.244\.0\.6 \. 10\.244\.0\.6 \}/, 'also where a guest asks for its own');
    assert.ok(rules.indexOf('snat to ip saddr map @speaking') < rules.indexOf('@masqueraded ip daddr'));
    assert.doesNotMatch(masqueradeRules(input), /floating|speaking/);
  });

  it('hold both ways between a guest and each block of its pods', () => {
    const rules = masqueradeRules({ ...input, hosts: [{ address: '10.244.0.5', block: '10.244.1.0/26' }, { address: '10.244.0.5', block: '10.244.2.0/26' }] });
    assert.match(rules, /elements = \{ 10\.244\.0\.5 \. 10\.244\.1\.0\/26, 10\.244\.0\.5 \. 10\.244\.2\.0\/26, 10\.244\.1\.0\/26 \. 10\.244\.0\.5, 10\.244\.2\.0\/26 \. 10\.244\.0\.5 \}/);
    assert.match(rules, /ct status dnat ip saddr \. ip daddr @hairpins masquerade/);
  });
});
