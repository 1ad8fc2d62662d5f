import { Type, type Static } from 'typebox';
import { conditions, exactlyOneOf, listMap, objectName, oneOf, time, withRules } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';

const secret = Type.Object({
  name: objectName('Name of the Secret.'),
  namespace: objectName('Namespace of the Secret: the one that Yadokari runs in.'),
}, { description: 'A Secret with the keys `user` (without "client.") and `key`.' });

const cephName = (description: string) => Type.String({ description, pattern: '^[A-Za-z0-9_][-.A-Za-z0-9_]*$', maxLength: 128 });
const absolutePath = (description: string) => withRules(
  Type.String({ description, maxLength: 1024 }),
  { rule: "self.startsWith('/') && !self.contains('/../') && !self.endsWith('/..')", message: 'it must be an absolute path without ..' },
);

const local = Type.Object({}, { description: 'Sparse files in a folder of each node; a volume is there for its node alone.' });

const ceph = withRules(Type.Object({
  monitors: Type.Array(Type.String({ description: 'Host, or host and port, such as 10.0.0.1:6789.', maxLength: 260 }), { description: 'Monitors of the cluster.', minItems: 1, maxItems: 16 }),
  pool: Type.Optional(cephName('Pool of images. With it there is a StorageClass of images (RBD).')),
  namespace: Type.Optional(cephName('Namespace within the pool.')),
  filesystem: Type.Optional(cephName('A CephFS. With it there is a StorageClass of shared folders.')),
  group: Type.Optional(cephName('Subvolume group of the CephFS. Default csi.')),
  secret,
}, { description: 'A cluster of Ceph.' }), { rule: 'has(self.pool) || has(self.filesystem)', message: 'ceph needs a pool, for images, or a filesystem, for shared folders' });

const managedNfs = Type.Object({
  server: Type.String({ description: 'Address at which nodes reach it.', maxLength: 253 }),
  port: Type.Optional(Type.Integer({ description: 'Port. Default 2049.', minimum: 1, maximum: 65535 })),
  path: absolutePath('Folder of the volumes; on btrfs they have quotas, snapshots and clones.'),
  clients: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { description: 'Addresses and networks that may mount a new volume. Default everybody.', maxItems: 64 })),
}, { description: 'A server that Yadokari runs, with a volume of its own for each claim.' });

const nfs = withRules(Type.Object({
  server: Type.Optional(Type.String({ description: 'Name or address of a server that is there.', maxLength: 253 })),
  export: Type.Optional(absolutePath('What it exports; each volume is a folder of it.')),
  mountOptions: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { description: 'Options of nfs(5), such as nconnect=4.', maxItems: 16 })),
  managed: Type.Optional(managedNfs),
}, { description: 'A server of NFS 4.' }), { rule: 'has(self.managed) ? !has(self.server) && !has(self.export) && !has(self.mountOptions) : has(self.server) && has(self.export)', message: 'nfs takes either server and export, or managed' });

const classes = Type.Object({
  default: Type.Optional(Type.Boolean({ description: 'Its StorageClass is the default of the cluster. Default false.' })),
  reclaimPolicy: Type.Optional(oneOf(['Delete', 'Retain'], { description: 'What becomes of a volume whose claim is deleted. Default Delete.' })),
  parameters: Type.Optional(Type.Unsafe<Readonly<Record<string, string>>>({ type: 'object', description: 'Parameters of its StorageClasses.', maxProperties: 64, additionalProperties: { type: 'string', maxLength: 1024 } })),
}, { description: 'Of the StorageClasses that are made for it.' });

const spec = withRules(
  exactlyOneOf('a StorageBackend', { local, nfs, ceph }, { classes: Type.Optional(classes) }, { description: 'Where volumes are kept.' }),
  { rule: 'has(self.local) == has(oldSelf.local) && has(self.nfs) == has(oldSelf.nfs) && has(self.ceph) == has(oldSelf.ceph)', message: 'a backend stays of its kind: make another one under a new name' },
);

const status = Type.Object({
  conditions: Type.Optional(conditions()),
  storageClasses: Type.Optional(Type.Array(Type.String(), { description: 'Names of its StorageClasses.', maxItems: 4 })),
  drivers: Type.Optional(listMap(Type.Object({
    name: Type.String({ description: 'Name of the CSI driver.' }),
    reachable: Type.Boolean({ description: 'Whether it reaches the backend.' }),
    message: Type.Optional(Type.String({ description: 'Why not.' })),
    availableBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'What new volumes may have together, in bytes.' })),
    time: Type.Optional(time('When this was true.')),
  }), ['name'], { description: 'What its drivers say.', maxItems: 4 })),
});

export type StorageBackendSpec = Static<typeof spec>;
export type StorageBackendStatus = Static<typeof status>;

export const storageBackend: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'StorageBackend',
  plural: 'storagebackends',
  shortNames: [],
  scope: 'Cluster',
  description: 'Where volumes are kept: makes StorageClasses, served by the CSI driver.',
  spec,
  status,
  columns: [
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status", description: 'Whether volumes can be made.' },
    { name: 'Reason', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].reason", description: 'Why.' },
    { name: 'Classes', type: 'string', jsonPath: '.status.storageClasses', description: 'Its StorageClasses.' },
  ],
};
