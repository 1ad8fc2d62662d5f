import { Type, type Static } from 'typebox';
import { conditions, exactlyOneOf, objectName } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';
import { labelSelector as podSelector, podSpecWith } from './pod-fields.ts';

const labelSelector = podSelector('Labels of the machine: any that has containerHost and matches; the scheduler chooses.');

const inVirtualMachine = exactlyOneOf('virtualMachine', {
  name: objectName('The VirtualMachine, of the same namespace.'),
  selector: labelSelector,
}, {}, { description: 'In the guest of a VirtualMachine that has containerHost.' });

const onNode = Type.Object({}, { description: 'In a container of its own on a host (the default).' });

const placement = exactlyOneOf('placement', {
  node: onNode,
  virtualMachine: inVirtualMachine,
  isolated: Type.Object({
    instanceType: Type.Optional(objectName('InstanceType of the machine. Default: as large as the containers may grow.')),
    image: Type.Optional(objectName('VirtualMachineImage of format tar that it boots from: containerd and the relay are in it. Default container-host.')),
    preload: Type.Optional(objectName('VirtualMachineImage of format raw that is an OCI archive of container images, for where there is no registry.')),
  }, { description: 'In a VirtualMachine of its own, which is made for it and goes with it.' }),
  any: Type.Object({
    prefer: Type.Optional(Type.Array(exactlyOneOf('a preference', { node: onNode, virtualMachine: inVirtualMachine }, {}, { description: 'A place that is better than others.' }), { description: 'Places in the order in which they are preferred.', maxItems: 8 })),
  }, { description: 'Wherever there is room: on a host, or in a VirtualMachine of the same namespace that has containerHost.' }),
}, {}, { description: 'Where the containers run.' });

const status = Type.Object({
  phase: Type.Optional(Type.String({ description: "The pod's phase: Pending, Running, Succeeded, Failed or Unknown." })),
  ready: Type.Optional(Type.String({ description: 'Containers that are ready, of all, such as 1/1.' })),
  placement: Type.Optional(Type.String({ description: 'Where it runs, in a word, such as node.' })),
  node: Type.Optional(Type.String({ description: 'The node.' })),
  address: Type.Optional(Type.String({ description: 'Address on the flat network.' })),
  pod: Type.Optional(Type.String({ description: 'Name of the core/v1 Pod.' })),
  conditions: Type.Optional(conditions()),
});

export type PodPlacement = Static<typeof placement>;
export type MachinePlacement = Static<typeof inVirtualMachine>;
export type PodStatus = Static<typeof status>;

export const pod: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['ypod'],
  scope: 'Namespaced',
  description: 'Containers and where they run: a core/v1 PodSpec with a placement.',
  spec: podSpecWith({ placement }, "core/v1's PodSpec, and placement. Fixed once it runs; delete and apply it again to change it."),
  status,
  rules: [{ rule: 'self.spec == oldSelf.spec', message: 'the spec of a Pod is fixed; delete it and apply it again' }],
  columns: [
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Phase of the pod.' },
    { name: 'Ready', type: 'string', jsonPath: '.status.ready', description: 'Containers that are ready, of all.' },
    { name: 'Placement', type: 'string', jsonPath: '.status.placement', description: 'Where it runs.' },
    { name: 'Node', type: 'string', jsonPath: '.status.node', description: 'The node.' },
    { name: 'Address', type: 'string', jsonPath: '.status.address', description: 'Address on the flat network.' },
  ],
};
