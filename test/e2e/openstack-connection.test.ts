import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { conditionOf } from '../../src/kube/conditions.ts';
import { endpointSlices } from '../../src/kube/core.ts';
import { openStackTenants } from '../../src/kube/yadokari.ts';
import { ipPools } from '../../src/network/calico/kinds.ts';
import { cloudIdOf, SimulatedTenants } from '../env/simulated-tenants.ts';

const binDirectory = process.env['YADO_BIN'];

describe('how a tenant of an OpenStack cloud is connected', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false, timeout: 300_000 }, () => {
  let tenants: SimulatedTenants;

  before(async () => {
    tenants = await SimulatedTenants.start(binDirectory ?? '');
  });
  after(() => tenants?.[Symbol.asyncDispose]());

  it('has names in DNS where it is asked for, of what runs', async () => {
    const { admin } = tenants;
    const cloud = await tenants.given('named', {}, (there) => {
      for (const name of ['Web 1', 'db']) there.compute.add({ name, flavorId: 'm1.small', networks: 'auto' });
    });
    await tenants.ready('named');
    const named = () => tenants.mirrored(endpointSlices, 'named');
    assert.deepEqual(await named(), []);
    await admin.patch(openStackTenants, { namespace: 'named', name: 'shop' }, { spec: { dns: { subdomain: 'acme' } } });
    const slices = await tenants.eventually('names of all servers', async () => (await named()).length === cloud.compute.table.size && named());
    for (const slice of slices) {
      const server = cloud.compute.table.get(cloudIdOf(slice) ?? '') ?? assert.fail(`no server for ${slice.metadata.name}`);
      assert.equal(slice.metadata.labels?.['kubernetes.io/service-name'], 'acme');
      assert.deepEqual(slice.endpoints, [{ addresses: [server.addresses[0]?.address], hostname: server.name.toLowerCase().replaceAll(' ', '-'), conditions: { ready: true } }]);
    }
    const [first = ''] = cloud.compute.table.keys();
    cloud.compute.change(first, { status: 'SHUTOFF', power: 'shutdown' });
    await tenants.eventually('the one that has stopped', async () => (await named()).find((slice) => cloudIdOf(slice) === first)?.endpoints[0]?.conditions?.ready === false);
    cloud.compute.change(first, { status: 'ACTIVE', power: 'running' });
    await tenants.eventually('it runs again', async () => (await named()).every(({ endpoints: [endpoint] }) => endpoint?.conditions?.ready === true));
    await admin.patch(openStackTenants, { namespace: 'named', name: 'shop' }, { spec: { dns: null } });
    await tenants.eventually('no names any more', async () => (await named()).length === 0);
  });

  it('takes the routes of its routers away when it goes, and waits for a cloud that does not answer', async () => {
    const { admin, clouds } = tenants;
    const cloud = await tenants.given('routed', { connect: { routers: [{ name: 'r1', nextHop: '203.0.113.20' }] } });
    const pool = await admin.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'routed-pods' }, spec: { cidr: '10.244.0.0/16' } });
    const floating = await admin.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'routed-floating' }, spec: { cidr: '203.0.113.64/28', assignmentMode: 'Manual' } });
    const [router] = cloud.network.table.routers.values();
    const routes = () => cloud.network.table.routers.get(router?.id ?? '')?.routes;
    await tenants.eventually('the route', async () => conditionOf((await tenants.tenant('routed')).status?.conditions, 'Connected')?.status === 'True');
    assert.deepEqual(routes(), [{ destination: '10.244.0.0/16', nextHop: '203.0.113.20' }]);
    // Another IPPool is another route; those that somebody else has set stay.
    await cloud.network.addRoutes(router?.id ?? '', [{ destination: '192.168.99.0/24', nextHop: '10.0.0.9' }]);
    await admin.patch(ipPools, pool.metadata, { spec: { disabled: true } });
    await tenants.eventually('the route being gone', async () => routes()?.length === 1);
    await admin.patch(ipPools, pool.metadata, { spec: { disabled: false } });
    await tenants.eventually('the route being back', async () => routes()?.length === 2);
    clouds.delete('routed');
    await admin.delete(openStackTenants, { namespace: 'routed', name: 'shop' });
    await tenants.eventually('the wait', async () => /static routes in the cloud \(.*no such user.*with onDelete: Keep they stay\)/.test(conditionOf((await tenants.tenant('routed')).status?.conditions, 'Ready')?.message ?? ''), 30);
    clouds.set('routed', cloud);
    await tenants.eventually('the end of the tenant', () => tenants.tenant('routed').then(() => false, () => true), 30);
    assert.deepEqual(routes(), [{ destination: '192.168.99.0/24', nextHop: '10.0.0.9' }]);
    await admin.delete(ipPools, pool.metadata);
    await admin.delete(ipPools, floating.metadata);
  });
});
