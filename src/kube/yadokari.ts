import { API_VERSION } from '../api/group.ts';
import type { InstanceTypeSpec } from '../api/instance-type.ts';
import type { OpenStackMigrationSpec, OpenStackMigrationStatus } from '../api/open-stack-migration.ts';
import type { OpenStackTenantSpec, OpenStackTenantStatus } from '../api/open-stack-tenant.ts';
import type { PodPlacement, PodStatus as YadoPodStatus } from '../api/pod.ts';
import type { ReplicatedVolumeSpec, ReplicatedVolumeStatus } from '../api/replicated-volume.ts';
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

export interface ReplicatedVolume extends KubeObject {
  readonly spec: ReplicatedVolumeSpec;
  readonly status?: ReplicatedVolumeStatus;
}

export interface OpenStackTenant extends KubeObject {
  readonly spec: OpenStackTenantSpec;
  readonly status?: OpenStackTenantStatus;
}

export interface OpenStackMigration extends KubeObject {
  readonly spec: OpenStackMigrationSpec;
  readonly status?: OpenStackMigrationStatus;
}

export const virtualMachines = defineResource<VirtualMachine>(API_VERSION, 'VirtualMachine', 'virtualmachines');
export const yadoPods = defineResource<YadoPod>(API_VERSION, 'Pod', 'pods');
export const virtualMachineImages = defineResource<VirtualMachineImage>(API_VERSION, 'VirtualMachineImage', 'virtualmachineimages');
export const instanceTypes = defineResource<InstanceType>(API_VERSION, 'InstanceType', 'instancetypes');
export const storageBackends = defineResource<StorageBackend>(API_VERSION, 'StorageBackend', 'storagebackends', false);
export const replicatedVolumes = defineResource<ReplicatedVolume>(API_VERSION, 'ReplicatedVolume', 'replicatedvolumes', false);
export const openStackTenants = defineResource<OpenStackTenant>(API_VERSION, 'OpenStackTenant', 'openstacktenants');
export const openStackMigrations = defineResource<OpenStackMigration>(API_VERSION, 'OpenStackMigration', 'openstackmigrations');
