import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { diskClaimsOf } from './claim-rivals.ts';

test('claims of a machine that another runs are no rivals of those that run here', () => {
  const machine = (spec: object): VirtualMachine => ({ metadata: { namespace: 'web', name: 'db' }, spec: { disks: [{ name: 'a', persistentVolumeClaim: 'data' }, { name: 'b', persistentVolumeClaim: 'seen', readOnly: true }], ...spec } } as VirtualMachine);
  assert.deepEqual(diskClaimsOf(machine({})), ['web/data']);
  assert.deepEqual(diskClaimsOf(machine({ provider: { openstack: { tenant: 'shop', server: 's' } } })), []);
});
