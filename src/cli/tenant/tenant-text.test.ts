import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { removalText } from '../tenant-remove-command.ts';
import { countText } from './discovery-text.ts';
import { summaryOf, tenantsTable, tenantText } from './tenant-text.ts';

const nowMs = Date.parse('2027-01-10T12:00:00Z');
const bare: OpenStackTenant = { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: 'web', name: 'new' }, spec: { cloud: { secret: 'new-cloud' } } };
const shop: OpenStackTenant = {
  ...bare, metadata: { namespace: 'web', name: 'shop' }, spec: { cloud: { secret: 'shop-cloud' }, servers: { mode: 'Manage' } },
  status: {
    project: { id: 'p1', name: 'acme' },
    conditions: [{ type: 'Ready', status: 'False', reason: 'Unreachable', message: 'cloud.example cannot be reached', lastTransitionTime: '2027-01-10T11:00:00Z' }],
    counts: [{ kind: 'servers', there: 3, here: 2 }, { kind: 'floatingAddresses', there: 1 }, { kind: 'images', there: 0, here: 0 }],
    problems: ['image windows is of format vhd'],
    lastSync: { time: '2027-01-10T11:55:00Z', requests: 14, seconds: 1.5, changes: 2 },
  },
};

test('tenants are one row each, also those that have said nothing yet', () => {
  assert.equal(tenantsTable([shop, bare], nowMs), [
    'NAMESPACE  NAME  PROJECT  MODE     READY    REASON       SERVERS  PROBLEMS  LAST SYNC',
    'web        shop  acme     Manage   False    Unreachable  2/3      1         5 min ago',
    'web        new   -        Observe  Unknown  -            -        0         -',
  ].join('\n'));
});

test('a tenant tells its conditions, its counts and what is not shown', () => {
  assert.equal(tenantText(shop, nowMs), [
    'OpenStackTenant shop in namespace web: project acme (p1), mode Manage',
    'The last sync that is told of was 5 min ago: 14 calls in 1.5 s, 2 changes',
    '',
    'CONDITION  STATUS  REASON       MESSAGE',
    'Ready      False   Unreachable  cloud.example cannot be reached',
    '',
    'KIND                THERE  HERE',
    'servers             3      2',
    'floating addresses  1      -',
    'images              0      0',
    '',
    'Not shown, or not all of it:',
    '  image windows is of format vhd',
  ].join('\n'));
  assert.match(tenantText(bare, nowMs), /a project that is not known yet.*\nThere was no sync yet\.\n\nNo problems\.$/);
});

test('programs get what the status says, with the mode', () => {
  assert.deepEqual(summaryOf(shop), { namespace: 'web', name: 'shop', mode: 'Manage', deleting: false, ...shop.status });
});

test('removal says what goes and what stays, here and there', () => {
  assert.equal(removalText(shop, true), [
    'OpenStackTenant shop is gone from namespace web, and what mirrored its project: 2 servers.',
    'All stays in the cloud, as it is, in project acme: 3 servers, 1 floating address.',
    'Secret shop-cloud goes too.',
  ].join('\n'));
  assert.equal(removalText({ ...shop, spec: { ...shop.spec, onDelete: 'Keep' } }, false), [
    'OpenStackTenant shop is gone from namespace web.',
    'All stays in the cloud, as it is, in project acme: 3 servers, 1 floating address.',
    'Here stays what mirrored it, as it was last (onDelete: Keep): 2 servers.',
    'Secret shop-cloud stays: it was not made by `yado tenant add`, or others use it.',
  ].join('\n'));
});

test('one of a kind is named as one', () => {
  assert.deepEqual([countText(1, 'floatingAddresses'), countText(2, 'securityGroups'), countText(1, 'routers')], ['1 floating address', '2 security groups', '1 router']);
});
