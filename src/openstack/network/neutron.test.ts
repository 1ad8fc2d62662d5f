import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenStackCloud } from '../cloud.ts';
import { hasCode } from '../errors.ts';
import { FakeCloud, PROJECT_ID, recorded, type FakeAnswer } from '../fake-cloud.ts';
import { all } from '../page.ts';
import type { NetworkService } from './port.ts';

const BASE = '/network/v2.0';

async function asking<T>(call: string, answer: FakeAnswer, work: (network: NetworkService, fake: FakeCloud) => Promise<T>): Promise<T> {
  await using fake = await FakeCloud.start();
  fake.on(call, answer);
  await using cloud = await OpenStackCloud.connect(fake.settings(), { attempts: 1 });
  return await work(cloud.network, fake);
}

test('networks of the project and of others are read', async () => {
  const networks = await asking(`GET ${BASE}/networks`, recorded('neutron-networks'), (network) => all(network.networks()));
  assert.deepEqual(networks.map(({ name, external, mtu, revision }) => ({ name, external, mtu, revision })), [{ name: 'public', external: true, mtu: 1500, revision: 2 }, { name: 'lan', external: false, mtu: 1400, revision: 2 }]);
});

test('subnets are read', async () => {
  const [subnet] = await asking(`GET ${BASE}/subnets`, recorded('neutron-subnets'), (network) => all(network.subnets()));
  assert.deepEqual(subnet, {
    id: 'd05a40cf-d35b-40b6-a593-3093a72ea7c0', name: 'lan-v4', projectId: PROJECT_ID, description: '', tags: [], createdAtMs: Date.UTC(2026, 10, 21, 2, 13, 31), updatedAtMs: Date.UTC(2026, 10, 21, 2, 13, 31), revision: 0,
    networkId: 'fd2197cc-2866-4b8b-a032-7c29965c419b', version: 4, cidr: '10.9.0.0/16', gateway: '10.9.0.1', dhcp: true, pools: [{ start: '10.9.0.2', end: '10.9.255.254' }], dnsServers: ['192.0.2.53'], routes: [],
  });
});

test('ports are those of the project, also for an admin who could see all', async () => {
  await asking(`GET ${BASE}/ports`, recorded('neutron-ports'), async (network, fake) => {
    const [port] = await all(network.ports({ deviceId: 'f4098687-d6f8-4555-8534-11d7b6decc12' }));
    assert.equal(port?.deviceOwner, 'network:router_interface');
    assert.deepEqual(port?.addresses, [{ subnetId: 'd05a40cf-d35b-40b6-a593-3093a72ea7c0', address: '10.9.0.1' }]);
    const query = fake.requests.at(-1)?.query;
    assert.equal(query?.get('project_id'), PROJECT_ID);
    assert.equal(query?.get('device_id'), 'f4098687-d6f8-4555-8534-11d7b6decc12');
  });
});

test('routers, floating addresses, groups, quotas and extensions are read', async () => {
  const [router] = await asking(`GET ${BASE}/routers`, recorded('neutron-routers'), (network) => all(network.routers()));
  assert.equal(router?.gateway?.networkId, 'd4282097-ef35-4d27-a4d1-abffbdc2d4c1');
  assert.equal(router?.gateway?.snat, true);
  const groups = await asking(`GET ${BASE}/security-groups`, recorded('neutron-security-groups'), (network) => all(network.securityGroups()));
  assert.deepEqual(groups.map(({ name }) => name), ['default', 'web']);
  assert.deepEqual(groups[1]?.rules.find(({ protocol }) => protocol === 'tcp'), { id: '1dea959c-e11b-48bb-a1eb-9bc164b12ee2', direction: 'ingress', version: 4, protocol: 'tcp', ports: { from: 22, to: 22 }, remoteCidr: '0.0.0.0/0', description: '' });
  const quotas = await asking(`GET ${BASE}/quotas/${PROJECT_ID}/details.json`, recorded('neutron-quota-details'), (network) => network.quotas());
  assert.deepEqual(quotas['port'], { limit: 1000, used: 1, reserved: 0 });
  assert.deepEqual(quotas['subnetpool'], { used: 0, reserved: 0 });
  const extensions = await asking(`GET ${BASE}/extensions`, recorded('neutron-extensions'), (network) => network.extensions());
  assert.deepEqual([...extensions].sort(), ['address-group', 'revision-if-match', 'router', 'security-group']);
});

test('static routes of a router are added and taken away by themselves', async () => {
  const routes = [{ destination: '10.244.0.0/16', nextHop: '203.0.113.20' }];
  const body = { router: { routes: [{ destination: '10.244.0.0/16', nexthop: '203.0.113.20' }] } };
  await asking(`PUT ${BASE}/routers/r1/add_extraroutes`, { body: { router: {} } }, async (network, fake) => {
    await network.addRoutes('r1', routes);
    assert.deepEqual(fake.requests.at(-1)?.body, body);
  });
  await asking(`PUT ${BASE}/routers/r1/remove_extraroutes`, { body: { router: {} } }, async (network, fake) => {
    await network.removeRoutes('r1', routes);
    assert.deepEqual(fake.requests.at(-1)?.body, body);
  });
  await asking(`PUT ${BASE}/routers/r1/remove_extraroutes`, recorded('error-neutron-404'), (network) => network.removeRoutes('r1', routes));
});

test('a port is asked for as it was recorded', async () => {
  await asking(`POST ${BASE}/ports`, recorded('neutron-port-create'), async (network, fake) => {
    const port = await network.createPort({ networkId: 'n', name: 'p1', securityGroupIds: ['g'], allowedPairs: [{ address: '10.9.200.1' }], addresses: [{ subnetId: 's', address: '10.9.3.157' }] });
    assert.equal(port.macAddress, 'fa:16:3e:be:94:29');
    assert.deepEqual(fake.requests.at(-1)?.body, { port: { network_id: 'n', name: 'p1', security_groups: ['g'], allowed_address_pairs: [{ ip_address: '10.9.200.1' }], fixed_ips: [{ subnet_id: 's', ip_address: '10.9.3.157' }] } });
  });
});

test('a port is changed only as it was read', async () => {
  await asking(`PUT ${BASE}/ports/p`, recorded('neutron-port-create'), async (network, fake) => {
    await network.updatePort('p', { description: 'x' }, 3);
    assert.equal(fake.requests.at(-1)?.headers['if-match'], 'revision_number=3');
    assert.deepEqual(fake.requests.at(-1)?.body, { port: { description: 'x' } });
  });
  await asking(`PUT ${BASE}/ports/p`, recorded('neutron-update-if-match-412'), (network) => assert.rejects(network.updatePort('p', {}, 2), (error: unknown) => hasCode(error, 'RevisionConflict') && error.disposition === 'retry'));
});

test('a floating address is made, led elsewhere and away', async () => {
  await asking(`POST ${BASE}/floatingips`, recorded('neutron-floatingip-create'), async (network, fake) => {
    const made = await network.createFloatingAddress('n', 'p');
    assert.deepEqual([made.address, made.fixedAddress, made.status], ['203.0.113.254', '10.9.3.157', 'DOWN']);
    fake.on(`PUT ${BASE}/floatingips/${made.id}`, recorded('neutron-floatingip-create'));
    await network.moveFloatingAddress(made.id, undefined);
    assert.deepEqual(fake.requests.at(-1)?.body, { floatingip: { port_id: null } });
  });
});

test('a port that is gone is undefined, and deleting it no error', async () => {
  await asking(`GET ${BASE}/ports/p`, recorded('error-neutron-404'), async (network) => {
    assert.equal(await network.port('p'), undefined);
    await network.deletePort('p');
  });
});

test('a rule for a type of ICMP is for any code, unless it has one', async () => {
  const rule = (id: string, fields: object) => ({ id, direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp', port_range_min: 8, port_range_max: null, ...fields });
  const group = { id: 'g1', name: 'web', project_id: PROJECT_ID, revision_number: 1, security_group_rules: [rule('a', {}), rule('b', { port_range_max: 0 }), rule('c', { protocol: 'tcp', port_range_min: 22, port_range_max: 22 })] };
  const [read] = await asking(`GET ${BASE}/security-groups`, { status: 200, body: { security_groups: [group] } }, (network) => all(network.securityGroups()));
  assert.deepEqual(read?.rules.map(({ ports }) => ports), [{ from: 8, to: -1 }, { from: 8, to: 0 }, { from: 22, to: 22 }]);
});
