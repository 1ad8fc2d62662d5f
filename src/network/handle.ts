import { createHash } from 'node:crypto';
import type { AddressHandle } from './port.ts';

/** Calico's name of the network in its handles. */
const NETWORK = 'k8s-pod-network';
const LONGEST_NAME = 253 - ('.floating.'.length - '.vmi.'.length);

/** What holds a container's address: its sandbox, so that a sandbox made anew may get another one. */
export function handleOfContainer(containerId: string): AddressHandle {
  return `${NETWORK}.${containerId}` as AddressHandle;
}

/** What holds a VM's address: the VM itself, over restarts and migrations. */
export function handleOfVirtualMachine(namespace: string, name: string): AddressHandle {
  const handle = `${NETWORK}.vmi.${namespace}.${name}`;
  // A handle is an object's name too, which ends at 253 characters; that of its floating address is longer by five.
  return (handle.length <= LONGEST_NAME ? handle : `${NETWORK}.vmi.${createHash('sha256').update(handle).digest('hex')}`) as AddressHandle;
}

/** What holds a VM's floating address, beside its own one. */
export function handleOfFloating(namespace: string, name: string): AddressHandle {
  return handleOfVirtualMachine(namespace, name).replace('.vmi.', '.floating.') as AddressHandle;
}

/** The container of such a handle; undefined for handles of VMs and of other networks. */
export function containerOfHandle(handle: string): string | undefined {
  if (!handle.startsWith(`${NETWORK}.`) || /^(vmi|floating)\./.test(handle.slice(NETWORK.length + 1))) return undefined;
  return handle.slice(NETWORK.length + 1);
}

/** Calico's name for the host's end of a workload's interface. */
export function hostInterfaceOf(namespace: string, pod: string): string {
  return `cali${createHash('sha1').update(`${namespace}.${pod}`).digest('hex').slice(0, 11)}`;
}

/** A MAC address of the local range that a VM keeps for life. */
export function macAddressOf(uid: string): string {
  const digest = createHash('sha256').update(uid).digest();
  return ['02', ...[0, 1, 2, 3, 4].map((index) => digest.subarray(index, index + 1).toString('hex'))].join(':');
}
