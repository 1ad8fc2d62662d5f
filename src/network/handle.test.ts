import assert from 'node:assert/strict';
import { it } from 'node:test';
import { containerOfHandle, handleOfContainer, handleOfVirtualMachine, hostInterfaceOf, macAddressOf } from './handle.ts';

it('names handles as Calico does', () => {
  assert.equal(handleOfContainer('abc'), 'k8s-pod-network.abc');
  assert.equal(handleOfVirtualMachine('default', 'web'), 'k8s-pod-network.vmi.default.web');
  assert.equal(handleOfVirtualMachine('n'.repeat(63), 'v'.repeat(253)).length <= 253, true);
  assert.equal(containerOfHandle('k8s-pod-network.abc'), 'abc');
  assert.equal(containerOfHandle('k8s-pod-network.vmi.default.web'), undefined);
  assert.equal(containerOfHandle('vxlan-tunnel-addr-n1'), undefined);
});

it('names the host\'s interface after the pod, in at most 15 characters', () => {
  // From: printf default.web | sha1sum
  assert.equal(hostInterfaceOf('default', 'web'), 'cali68caf03a5f4');
});

it('derives a local unicast MAC address that stays the same', () => {
  assert.match(macAddressOf('uid'), /^02(:[0-9a-f]{2}){5}$/);
  assert.equal(macAddressOf('uid'), macAddressOf('uid'));
  assert.notEqual(macAddressOf('uid'), macAddressOf('other'));
});
