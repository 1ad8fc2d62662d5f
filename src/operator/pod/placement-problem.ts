import type { VirtualMachine } from '../../kube/yadokari.ts';

export interface PlacementProblem {
  readonly reason: string;
  readonly message: string;
}

/** Why a pod cannot be in the machine of this name now; undefined when nothing is known against it. */
export function placementProblem(name: string | undefined, machineOf: (name: string) => VirtualMachine | undefined): PlacementProblem | undefined {
  if (name === undefined) return undefined;
  const vm = machineOf(name);
  if (vm === undefined) return { reason: 'VirtualMachineNotFound', message: `VirtualMachine ${name} does not exist in this namespace; the pod waits for it` };
  if (vm.spec.provider !== undefined) return { reason: 'NotAContainerHost', message: `VirtualMachine ${name} is run by somebody else and has no pods; place the pod elsewhere` };
  if (vm.spec.containerHost === undefined) {
    return { reason: 'NotAContainerHost', message: `VirtualMachine ${name} runs no pods; give it spec.containerHost and a guest that has containerd, or place the pod elsewhere` };
  }
  const state = vm.status?.printableStatus ?? 'Provisioning';
  if (state !== 'Running') return { reason: 'VirtualMachineNotRunning', message: `VirtualMachine ${name} is ${state}; the pod waits for it` };
  return undefined;
}
