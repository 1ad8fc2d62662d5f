import { Type, type Static } from 'typebox';
import { conditions, exactlyOneOf, listMap, objectName, oneOf, time, withRules } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { cephName } from './ceph-fields.ts';
import { GROUP, VERSION } from './group.ts';

const secret = Type.Object({
  name: objectName('Name of the Secret.'),
  namespace: objectName('Namespace of the Secret: the one that Yadokari runs in.'),
}, { description: 'A Secret with the keys `user` (without "client.") and `key`.' });

const lvmName = (description: string) => Type.String({ description, pattern: '^[A-Za-z0-9_+.][-A-Za-z0-9_+.]*$', maxLength: 100 });
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
  clients: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { description: 'Addresses and networks that may mount any volume, besides the nodes that have it. Default none.', maxItems: 64 })),
}, { description: 'A server that Yadokari runs, with a volume of its own for each claim.' });

const nfs = withRules(Type.Object({
  server: Type.Optional(Type.String({ description: 'Name or address of a server that is there.', maxLength: 253 })),
  export: Type.Optional(absolutePath('What it exports; each volume is a folder of it.')),
  mountOptions: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { description: 'Options of nfs(5), such as nconnect=4.', maxItems: 16 })),
  lostNodes: Type.Optional(oneOf(['Keep', 'Release'], { description: 'Whether a node that does not answer keeps its volumes: nothing can keep it from writing to them, so that whoever says Release sees to it that it is down. Default Keep.' })),
  managed: Type.Optional(managedNfs),
}, { description: 'A server of NFS 4.' }), { rule: 'has(self.managed) ? !has(self.server) && !has(self.export) && !has(self.mountOptions) && !has(self.lostNodes) : has(self.server) && has(self.export)', message: 'nfs takes either server and export, or managed' });

const drbd = withRules(Type.Object({
  volumeGroup: lvmName('Volume group of LVM on each node that has volumes.'),
  thinPool: Type.Optional(lvmName('Thin pool of the volume group: volumes take room as they are written to, and are made at once.')),
  replicas: Type.Optional(Type.Integer({ description: 'Nodes that have a copy of each volume. Default 2, which is all that DRBD 8.4 can.', minimum: 2, maximum: 3 })),
  network: Type.Optional(Type.String({ description: 'Network, such as 10.1.0.0/24, that nodes have addresses in for replication. Default the address that the Node has.', maxLength: 18, pattern: '^[0-9.]+/[0-9]+$' })),
  portRange: Type.Optional(Type.Object({
    first: Type.Integer({ minimum: 1024, maximum: 65535, description: 'First port.' }),
    last: Type.Integer({ minimum: 1024, maximum: 65535, description: 'Last port.' }),
  }, { description: 'TCP ports of the nodes for replication; each volume takes one of each of its nodes. Default 7000 to 7999.' })),
  onNoQuorum: Type.Optional(oneOf(['suspend-io', 'io-error'], { description: 'What becomes of reads and writes while a node may not write. Default suspend-io: they wait.' })),
}, { description: 'Volumes that nodes keep copies of for each other with DRBD.' }),
{ rule: '!has(self.portRange) || self.portRange.first <= self.portRange.last', message: 'portRange.first must not be above portRange.last' });

const classes = Type.Object({
  default: Type.Optional(Type.Boolean({ description: 'Its StorageClass is the default of the cluster. Default false.' })),
  reclaimPolicy: Type.Optional(oneOf(['Delete', 'Retain'], { description: 'What becomes of a volume whose claim is deleted. Default Delete.' })),
  parameters: Type.Optional(Type.Unsafe<Readonly<Record<string, string>>>({ type: 'object', description: 'Parameters of its StorageClasses.', maxProperties: 64, additionalProperties: { type: 'string', maxLength: 1024 } })),
}, { description: 'Of the StorageClasses that are made for it.' });

const spec = withRules(
  exactlyOneOf('a StorageBackend', { local, nfs, ceph, drbd }, { classes: Type.Optional(classes) }, { description: 'Where volumes are kept.' }),
  { rule: 'has(self.local) == has(oldSelf.local) && has(self.nfs) == has(oldSelf.nfs) && has(self.ceph) == has(oldSelf.ceph) && has(self.drbd) == has(oldSelf.drbd)', message: 'a backend stays of its kind: make another one under a new name' },
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
  nodes: Type.Optional(listMap(Type.Object({
    driver: Type.String({ description: 'Name of the CSI driver.' }),
    node: Type.String({ description: 'The node.' }),
    lacking: Type.String({ description: 'What it lacks.' }),
    time: Type.Optional(time('When this was true.')),
  }), ['driver', 'node'], { description: 'Nodes that cannot attach volumes.', maxItems: 2000 })),
  places: Type.Optional(listMap(Type.Object({
    node: Type.String({ description: 'The node.' }),
    hostname: Type.Optional(Type.String({ description: 'What its kernel calls it.' })),
    address: Type.Optional(Type.String({ description: 'Where other nodes reach its volumes.' })),
    zone: Type.Optional(Type.String({ description: 'Copies are spread over these.' })),
    version: Type.Optional(Type.String({ description: 'Of what the kernel has.' })),
    availableBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Room that is left, in bytes.' })),
    lacking: Type.Optional(Type.String({ description: 'What it lacks: it takes no volumes.' })),
    orphans: Type.Optional(Type.Array(Type.String(), { description: 'What it has of volumes that nobody knows; nothing of it is removed by itself.', maxItems: 256 })),
    time: Type.Optional(time('When this was true.')),
  }), ['node'], { description: 'Nodes that keep the volumes themselves.', maxItems: 2000 })),
  checks: Type.Optional(listMap(Type.Object({
    driver: Type.String({ description: 'Name of the CSI driver.' }),
    node: Type.String({ description: 'Node whose attachments were looked at; empty for the backend itself.' }),
    request: Type.String({ description: 'Value of the annotation yadokari.dev/check that this answers.' }),
    findings: Type.Optional(Type.Array(Type.String(), { description: 'What nobody needs, and what is missing.', maxItems: 100 })),
    time: Type.Optional(time('When this was true.')),
  }), ['driver', 'node'], { description: 'What nobody needs of volumes, as its drivers found it when they were asked last.', maxItems: 2000 })),
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
