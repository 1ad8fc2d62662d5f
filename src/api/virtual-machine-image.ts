import { Type, type Static } from 'typebox';
import { conditions, exactlyOneOf, listMap, objectName, oneOf, textMap, time, withRules } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';

const http = Type.Object({
  url: withRules(
    Type.String({ description: 'An http or https URL of the image file.', maxLength: 2048 }),
    { rule: "self.startsWith('http://') || self.startsWith('https://')", message: 'url must begin with http:// or https://' },
  ),
}, { description: 'Fetched by each node that needs the image.' });

const file = Type.Object({
  path: withRules(
    Type.String({ description: 'Absolute path on the nodes, below one of the folders that the nodes offer for images.', maxLength: 1024 }),
    { rule: "self.startsWith('/') && !self.contains('/../') && !self.endsWith('/..')", message: 'path must be absolute and contain no ..' },
  ),
}, { description: 'A file that is already on the nodes.' });

const glance = Type.Object({
  tenant: objectName('The OpenStackTenant.'),
  image: Type.String({ description: 'Id of the image.', minLength: 1, maxLength: 64 }),
}, { description: 'An image of an OpenStack cloud; made by what mirrors the cloud. Disks of it have a storageClassName: it is copied there once, and they are clones of that.' });

const virtualMachine = Type.Object({
  name: objectName('The VirtualMachine, of an OpenStackTenant that manages its servers.'),
}, { description: 'The disk of a server of an OpenStack cloud as it is now, which the cloud makes an image of in its Glance. Machines of this cluster cannot start from it.' });

const spec = withRules(Type.Object({
  source: exactlyOneOf('source', { http, file, glance, virtualMachine }, {}, { description: 'Where the image comes from.' }),
  checksum: Type.Optional(Type.String({
    description: 'sha256:<64 hex digits> or sha512:<128 hex digits> of the file; a different content is refused.',
    pattern: '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$',
  })),
  format: oneOf(['qcow2', 'raw', 'iso', 'tar'], {
    description: 'Of the file. A tar holds the files of a kernel boot, such as vmlinuz and initrd.img. Default qcow2.',
    default: 'qcow2',
  }),
}), { rule: 'self == oldSelf', message: 'an image is immutable: make another one under a new name' });

const status = Type.Object({
  conditions: Type.Optional(conditions()),
  glance: Type.Optional(Type.Object({
    status: Type.String({ description: 'The word of the cloud, such as active.' }),
    visibility: Type.String({ description: 'public, private, shared or community.' }),
    sizeBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Size of the file, in bytes.' })),
    virtualSizeBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Size that a guest sees, in bytes.' })),
    minimumDiskGiB: Type.Integer({ description: 'The smallest disk that it fits on, in GiB.' }),
    minimumMemoryMiB: Type.Integer({ description: 'The least memory that it needs, in MiB.' }),
    properties: Type.Optional(textMap('What else it says of itself, such as hw_disk_bus.')),
  }, { description: 'The image as the cloud shows it, where it is one of a cloud.' })),
  snapshot: Type.Optional(Type.Object({
    tenant: Type.String({ description: 'The OpenStackTenant.' }),
    server: Type.String({ description: 'Id of the server.' }),
    image: Type.Optional(Type.String({ description: 'Id of the image, once there is one.' })),
    phase: oneOf(['Waiting', 'Saving', 'Saved', 'Failed'], { description: 'How far it is.' }),
    reason: Type.String({ description: 'Why, in one word for programs.' }),
    message: Type.String({ description: 'Why, in a line for people.' }),
  }, { description: 'What the cloud makes of the machine, where that is the source.' })),
  nodes: Type.Optional(listMap(Type.Object({
    name: Type.String({ description: 'The node.' }),
    phase: oneOf(['Importing', 'Imported', 'Failed'], { description: 'How far the import is.' }),
    message: Type.Optional(Type.String({ description: 'Progress, or what went wrong.' })),
    virtualSizeBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Size that a guest sees, in bytes.' })),
    time: Type.Optional(time('When this was true.')),
  }), ['name'], { description: 'The image on each node that has used it.', maxItems: 5000 })),
});

export type VirtualMachineImageSpec = Static<typeof spec>;
export type VirtualMachineImageStatus = Static<typeof status>;

export const virtualMachineImage: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'VirtualMachineImage',
  plural: 'virtualmachineimages',
  shortNames: ['vmimage'],
  scope: 'Namespaced',
  description: 'An image that virtual machines start from; imported when first needed, shared and never modified afterwards.',
  spec,
  status,
  columns: [
    { name: 'Format', type: 'string', jsonPath: '.spec.format', description: 'Format of the file.' },
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status", description: 'Whether a node has imported it, or a cloud has made it.' },
    { name: 'Reason', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].reason", description: 'Why.' },
  ],
};
