import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VirtualMachine, VirtualMachineImage } from '../../kube/yadokari.ts';
import { snapshotReadiness } from './snapshot-readiness.ts';

const image = (snapshot?: object): VirtualMachineImage => ({ metadata: { name: 'backup' }, spec: { source: { virtualMachine: { name: 'db' } }, format: 'qcow2' }, ...(snapshot === undefined ? {} : { status: { snapshot } }) } as VirtualMachineImage);
const machine = (spec: object): VirtualMachine => ({ metadata: { name: 'db' }, spec } as VirtualMachine);
const said = (...given: Parameters<typeof snapshotReadiness>): string => {
  const { status, reason, message } = snapshotReadiness(...given);
  return `${status} ${reason}: ${message}`;
};

test('an image of a machine says how far it is, and why there is none', () => {
  assert.match(said(image(), undefined), /^False VirtualMachineNotFound: VirtualMachine db does not exist/);
  assert.match(said(image(), machine({ memory: '1Gi' })), /^False NotPossible: VirtualMachine db runs in this cluster/);
  assert.match(said(image(), machine({ provider: { openstack: { tenant: 'shop', server: 's' } } })), /^False Waiting: waits for OpenStackTenant shop/);
  assert.equal(said(image({ phase: 'Saving', reason: 'Saving', message: 'at it' }), undefined), 'False Saving: at it');
  assert.equal(said(image({ phase: 'Saved', reason: 'Saved', message: 'image i1' }), undefined), 'True Saved: image i1');
});
