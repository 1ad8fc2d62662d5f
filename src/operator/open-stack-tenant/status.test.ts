import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenStackTenantStatus } from '../../api/open-stack-tenant.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { EMPTY_STATE } from '../../openstack/inventory/state.ts';
import { Problems } from './problems.ts';
import { tenantStatus, type Told } from './status.ts';
import type { LastSync, TenantSession } from './tenant-session.ts';

const START = Date.parse('2026-01-01T12:00:00Z');

/** What a tenant says after a sync that ended so many seconds after the start. */
function told(before: OpenStackTenantStatus | undefined, seconds: number, changes: number, left = 0): OpenStackTenantStatus {
  const last: LastSync = { atMs: START + seconds * 1000, requests: 7, seconds: 1, changes };
  const session = { mirror: { problems: new Problems() }, state: EMPTY_STATE, hasState: true, missing: [], last } as unknown as TenantSession;
  const tenant = { metadata: { name: 'shop', namespace: 'web' }, spec: { cloud: { secret: 'clouds' } }, ...(before === undefined ? {} : { status: before }) } as OpenStackTenant;
  const informers = Object.fromEntries(['servers', 'flavors', 'images', 'claims', 'volumes', 'subnets', 'securityGroups', 'keypairs'].map((name) => [name, { byIndex: () => [], hasSynced: true }])) as unknown as Told['informers'];
  return tenantStatus({ tenant, session, informers, left, putBack: undefined, routes: undefined, nowMs: last.atMs });
}

test('a sync without changes is told of every five minutes, whatever else there is to tell', () => {
  const first = told(undefined, 0, 12);
  assert.deepEqual(first.lastSync, { time: timestamp(START), requests: 7, seconds: 1, changes: 12 });
  assert.deepEqual(told(first, 30, 0, 5).lastSync, first.lastSync);
  assert.equal(told(first, 30, 0, 5).conditions?.find(({ type }) => type === 'Ready')?.reason, 'Mirroring');
  assert.equal(told(first, 299, 0).lastSync?.changes, 12);
  assert.deepEqual(told(first, 300, 0).lastSync, { time: timestamp(START + 300_000), requests: 7, seconds: 1, changes: 0 });
  assert.equal(told(first, 30, 1).lastSync?.time, timestamp(START + 30_000));
});
