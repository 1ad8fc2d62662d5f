import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Server } from '../../../openstack/compute/types.ts';
import { contextWith, problemOf, wantedOf } from './context-builder.ts';
import { hostNames } from './host-names.ts';

const macAddress = 'fa:16:3e:00:00:01';
const server: Server = {
  id: 's1', name: 'Web 1', status: 'ACTIVE', power: 'running', projectId: 'p', userId: 'u', flavor: { kind: 'reference', id: '1' }, createdAtMs: 0, updatedAtMs: 0,
  addresses: [
    { network: 'lan', address: '203.0.113.5', version: 4, macAddress, kind: 'floating' }, { network: 'lan', address: 'fd00::5', version: 6, macAddress, kind: 'fixed' }, { network: 'lan', address: '10.0.0.5', version: 4, macAddress, kind: 'fixed' },
  ],
  metadata: {}, tags: [], securityGroups: [], configDrive: false, volumes: [], locked: false,
};
const { tenant } = contextWith();
const context = contextWith({ tenant: { ...tenant, spec: { ...tenant.spec, dns: { subdomain: 'acme' } } } });
const mapped = (change: Partial<Server> = {}) => wantedOf(hostNames.map({ ...server, ...change }, context, undefined));

test('a server has a name of the headless Service, for its own address', () => {
  assert.equal(hostNames.baseName(server, tenant), 'shop-web-1');
  assert.deepEqual(mapped(), {
    labels: { 'kubernetes.io/service-name': 'acme', 'endpointslice.kubernetes.io/managed-by': 'openstack.yadokari.dev' },
    body: { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.5'], hostname: 'web-1', conditions: { ready: true } }] },
  });
  assert.deepEqual(mapped({ hostname: 'www.example' }).body['endpoints'], [{ addresses: ['10.0.0.5'], hostname: 'www-example', conditions: { ready: true } }]);
});

test('one that does not run is not ready', () => assert.deepEqual(mapped({ status: 'SHUTOFF' }).body['endpoints'], [{ addresses: ['10.0.0.5'], hostname: 'web-1', conditions: { ready: false } }]));

test('one of IPv6 alone is named too, by another object', () => {
  assert.deepEqual(mapped({ addresses: server.addresses.slice(0, 2) }).body['addressType'], 'IPv6');
  assert.equal(hostNames.isFixed?.(['addressType', 'endpoints']), true);
  assert.equal(hostNames.isFixed?.(['endpoints']), false);
});

test('nothing is named without an address, or where nobody asks for it', () => {
  assert.equal(hostNames.isChosen?.({ ...server, addresses: server.addresses.slice(0, 1) }, context.tenant.spec), false);
  assert.match(problemOf(hostNames.map({ ...server, addresses: [] }, context, undefined)), /Web 1 has no address/);
  assert.deepEqual([hostNames.isOn(tenant.spec), hostNames.isOn(context.tenant.spec)], [false, true]);
});
