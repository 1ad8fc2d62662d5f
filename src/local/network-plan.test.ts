import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseIndex, conflictsOf, macAddress, maximumClusters, networkPlan, nodeAddress, nodeNamespace, overlaps, type HostNetworkUse } from './network-plan.ts';

const nothing: HostNetworkUse = { links: new Set(), networks: [], reserved: new Set() };

describe('the network of a cluster', () => {
  it('gives the first cluster of a host the well-known networks', () => {
    assert.equal(chooseIndex(nothing), 0);
    const plan = networkPlan(0);
    assert.deepEqual([plan.bridge, plan.gateway, plan.podPool], ['yado0', '10.55.0.1', '10.244.0.0/16']);
    assert.deepEqual([nodeAddress(plan, 2), nodeNamespace(plan, 'n2')], ['10.55.0.12', 'yado0-n2']);
  });

  const skipped: readonly (readonly [string, Partial<HostNetworkUse>, number])[] = [
    ['its bridge exists', { links: new Set(['yado0']) }, 1],
    ['another cluster has recorded it', { reserved: new Set([0, 1]) }, 2],
    ['its subnet is routed elsewhere', { networks: ['10.55.0.0/16'] }, -1],
    ['its pool is in use', { networks: ['10.244.3.0/26', '10.201.0.1/32'] }, 2],
  ];
  for (const [reason, use, expected] of skipped) {
    it(`skips a subnet when ${reason}`, () => {
      if (expected === -1) assert.throws(() => chooseIndex({ ...nothing, ...use }), { code: 'NoFreeSubnet' });
      else assert.equal(chooseIndex({ ...nothing, ...use }), expected);
    });
  }

  it('keeps every name short enough for an interface, and pools within 10.0.0.0/8', () => {
    for (let index = 0; index < maximumClusters; index += 1) {
      assert.ok(nodeNamespace(networkPlan(index), 'n99').length <= 15);
      assert.match(networkPlan(index).podPool, /^10\.(244|20[1-9]|2[1-4]\d)\.0\.0\/16$/);
    }
  });

  it('never gives two clusters the same pool', () => {
    const pools = Array.from({ length: maximumClusters }, (_, index) => networkPlan(index).podPool);
    assert.equal(new Set(pools).size, pools.length);
  });

  it('gives every host of every cluster a unicast MAC address of its own', () => {
    const addresses = Array.from({ length: maximumClusters }, (_, index) => [1, 11, 109].map((host) => macAddress(networkPlan(index), host))).flat();
    assert.equal(new Set(addresses).size, addresses.length);
    for (const address of addresses) assert.match(address, /^02(:[0-9a-f]{2}){5}$/);
  });

  it('names what is in the way', () => {
    assert.deepEqual(conflictsOf(networkPlan(0), { links: new Set(['yado0']), networks: ['10.55.0.128/25', '192.168.0.0/16'] }), ['a link named yado0', 'the network 10.55.0.128/25']);
  });

  it('knows overlapping networks', () => {
    assert.ok(overlaps('10.0.0.0/8', '10.55.1.0/24'));
    assert.ok(overlaps('10.55.1.7', '10.55.1.0/24'));
    assert.ok(!overlaps('10.55.0.0/24', '10.55.1.0/24'));
    assert.ok(!overlaps('fe80::/64', '10.55.1.0/24'));
    assert.ok(!overlaps('broadcast', '10.55.1.0/24'));
  });
});
