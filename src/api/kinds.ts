import type { KindDefinition } from '../schema/kind.ts';
import { instanceType } from './instance-type.ts';
import { openStackMigration } from './open-stack-migration.ts';
import { openStackTenant } from './open-stack-tenant.ts';
import { pod } from './pod.ts';
import { replicatedVolume } from './replicated-volume.ts';
import { storageBackend } from './storage-backend.ts';
import { virtualMachineImage } from './virtual-machine-image.ts';
import { virtualMachine } from './virtual-machine.ts';

/** Every kind of the product. */
export const kinds: readonly KindDefinition[] = [virtualMachine, pod, virtualMachineImage, instanceType, storageBackend, replicatedVolume, openStackTenant, openStackMigration];
