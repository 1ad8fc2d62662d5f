import type { ConditionDraft } from '../../kube/conditions.ts';
import type { VirtualMachine, VirtualMachineImage } from '../../kube/yadokari.ts';

/** The condition Ready of an image that is made of a machine. */
export function snapshotReadiness({ spec: { source }, status }: VirtualMachineImage, machine: VirtualMachine | undefined): ConditionDraft {
  const name = source.virtualMachine?.name ?? '';
  const snapshot = status?.snapshot;
  if (snapshot !== undefined) return { type: 'Ready', status: snapshot.phase === 'Saved' ? 'True' : 'False', reason: snapshot.reason, message: snapshot.message };
  if (machine === undefined) return { type: 'Ready', status: 'False', reason: 'VirtualMachineNotFound', message: `VirtualMachine ${name} does not exist in this namespace` };
  const tenant = machine.spec.provider?.openstack?.tenant;
  if (tenant === undefined) return { type: 'Ready', status: 'False', reason: 'NotPossible', message: `VirtualMachine ${name} runs in this cluster: images are made of servers of an OpenStackTenant alone. Disks of claims have VolumeSnapshots` };
  return { type: 'Ready', status: 'False', reason: 'Waiting', message: `waits for OpenStackTenant ${tenant}` };
}
