import { API_VERSION } from '../api/group.ts';
import type { InstanceTypeSpec } from '../api/instance-type.ts';
import type { PodPlacement, PodStatus as YadoPodStatus } from '../api/pod.ts';
import type { StorageBackendSpec, StorageBackendStatus } from '../api/storage-backend.ts';
import type { VirtualMachineImageSpec, VirtualMachineImageStatus } from '../api/virtual-machine-image.ts';
import type { VirtualMachineStatus } from '../api/virtual-machine-status.ts';
import type { VirtualMachineSpec } from '../api/virtual-machine.ts';
import type { PodSpec } from './core.ts';
import { defineResource, type KubeObject } from './object.ts';

export interface VirtualMachine extends KubeObject {
  readonly spec: VirtualMachineSpec;
  readonly status?: VirtualMachineStatus;
}

/** Our Pod: a core/v1 PodSpec with a placement. */
export interface YadoPod extends KubeObject {
  readonly spec: PodSpec & { readonly placement?: PodPlacement };
  readonly status?: YadoPodStatus;
}

export interface VirtualMachineImage extends KubeObject {
  readonly spec: VirtualMachineImageSpec;
  readonly status?: VirtualMachineImageStatus;
}

export interface InstanceType extends KubeObject {
  readonly spec: InstanceTypeSpec;
}

export interface StorageBackend extends KubeObject {
  readonly spec: StorageBackendSpec;
  readonly status?: StorageBackendStatus;
}

export const virtualMachines = defineResource<VirtualMachine>(API_VERSION, 'VirtualMachine', 'virtualmachines');
export const yadoPods = defineResource<YadoPod>(API_VERSION, 'Pod', 'pods');
export const virtualMachineImages = defineResource<VirtualMachineImage>(API_VERSION, 'VirtualMachineImage', 'virtualmachineimages');
export const instanceTypes = defineResource<InstanceType>(API_VERSION, 'InstanceType', 'instancetypes');
export const storageBackends = defineResource<StorageBackend>(API_VERSION, 'StorageBackend', 'storagebackends', false);
