import { Type, type Static } from 'typebox';
import { byteQuantity } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';

export const MEMORY_LIMITS = { minimum: '64Mi', maximum: '16Ti' } as const;

const spec = Type.Object({
  cpu: Type.Integer({ description: 'Virtual CPUs, 1 to 512.', minimum: 1, maximum: 512 }),
  memory: byteQuantity('memory', MEMORY_LIMITS, 'Memory of the guest.'),
}, { description: 'What a VirtualMachine of this type has unless it says otherwise.' });

export type InstanceTypeSpec = Static<typeof spec>;

export const instanceType: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'InstanceType',
  plural: 'instancetypes',
  shortNames: ['itype'],
  scope: 'Namespaced',
  description: 'A named size of virtual machines, the counterpart of an OpenStack flavor.',
  spec,
  columns: [
    { name: 'CPU', type: 'integer', jsonPath: '.spec.cpu', description: 'Virtual CPUs.' },
    { name: 'Memory', type: 'string', jsonPath: '.spec.memory', description: 'Memory of the guest.' },
  ],
};
