import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloudsYaml } from './project.ts';
import { rulesOf } from './security-groups.ts';
import { serverPlans, serverRequest, type ServerParts } from './tenant-servers.ts';

const parts: ServerParts = {
  operator: { flavors: { 'm1.nano': 'f0', 'm1.tiny': 'f1', 'm1.small': 'f2', 'm1.medium': 'f3' }, externalNetwork: 'n0' },
  networks: { front: 'n1', back: 'n2', router: 'r' }, images: { system: 'i1', appliance: 'i2' }, volumes: { boot: 'v1', data: 'v2', archive: 'v3', scratch: 'v4', snapshot: 's' },
};
const request = (name: string) => {
  const plan = serverPlans.find((one) => one.name === name);
  assert.ok(plan, name);
  return serverRequest(plan, parts);
};

describe('the servers of a tenant', () => {
  it('are more than twenty with different names, some of them stopped', () => {
    assert.ok(serverPlans.length > 20);
    assert.equal(new Set(serverPlans.map(({ name }) => name)).size, serverPlans.length);
    assert.equal(serverPlans.filter(({ stopped }) => stopped).length, 3);
  });

  it('start from an image or from a volume, never from both', () => {
    assert.equal(request('db-1')['imageRef'], 'i1');
    assert.equal(request('worker-5')['imageRef'], 'i2');
    assert.ok(!('imageRef' in request('db-2')));
    assert.deepEqual(request('db-2')['block_device_mapping_v2'], [{ boot_index: 0, uuid: 'v1', source_type: 'volume', destination_type: 'volume' }]);
  });

  it('have their networks in the order of their ports, and user data as Nova takes it', () => {
    assert.deepEqual(request('db-1')['networks'], [{ uuid: 'n2' }, { uuid: 'n1' }]);
    assert.match(Buffer.from(String(request('web-3')['user_data']), 'base64').toString(), /^#cloud-config\nhostname: web-3\n/);
  });
});

describe('the rest of a tenant', () => {
  it('has rules by port, range, ICMP, protocol number, prefix and group, for both families and directions', () => {
    const rules = Object.values(rulesOf({ web: 'w', db: 'd', operations: 'o' })).flat();
    const some = (wanted: Readonly<Record<string, unknown>>) => rules.some((rule) => Object.entries(wanted).every(([key, value]) => rule[key] === value));
    for (const wanted of [{ ethertype: 'IPv6' }, { direction: 'egress' }, { protocol: 'icmp', port_range_min: 8 }, { protocol: '112' }, { remote_group_id: 'w', port_range_min: 5432 }, { protocol: 'udp', port_range_max: 61_000 }]) assert.ok(some(wanted), JSON.stringify(wanted));
  });

  it('signs in by an application credential, without a password', () => {
    const text = cloudsYaml('http://127.0.0.1:20001/v3', 'acme', { id: 'abc', secret: 'def' });
    assert.match(text, /^clouds:\n {2}acme:\n {4}auth_type: v3applicationcredential\n/);
    assert.match(text, /auth_url: http:\/\/127\.0\.0\.1:20001\/v3/);
    assert.ok(!text.includes('password'));
  });
});
