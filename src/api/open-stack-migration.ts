import { Type, type Static } from 'typebox';
import { conditions, listMap, objectName, oneOf, textMap, time, withRules } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { CEPH_MONITOR, cephName } from './ceph-fields.ts';
import { GROUP, VERSION } from './group.ts';

/** Machines of one migration, so that its status stays of a size. */
export const MOST_SERVERS = 64;
export const MOST_DISKS = 24;

const cutover = withRules(Type.Object({
  when: Type.Optional(oneOf(['Automatic', 'Manual'], { description: 'Automatic: as soon as it can be. Manual: not before this is Automatic. Default Automatic.' })),
  at: Type.Optional(time('Not before this time.')),
}, { description: 'When servers are stopped and their machines start here.' }),
{ rule: '!(has(self.when) && has(self.at))', message: 'cutover takes when or at, not both' });

const map = Type.Object({
  volumeTypes: Type.Optional(textMap('StorageClasses by volume types of the cloud.', { maxProperties: 64, maxLength: 253 })),
  flavors: Type.Optional(textMap('InstanceTypes by flavors of the cloud. Default: the CPUs and memory of the flavor.', { maxProperties: 64, maxLength: 253 })),
  networks: Type.Optional(Type.Unsafe<Readonly<Record<string, 'keep' | 'default'>>>({
    type: 'object', maxProperties: 64, additionalProperties: { type: 'string', enum: ['keep', 'default'] },
    description: "By networks of the cloud. keep: a machine has its fixed address here too. default: it gets one of the cluster's pools. Default keep.",
  })),
}, { description: 'What here stands for what of the cloud.' });

const ceph = Type.Object({
  monitors: Type.Array(Type.String({ description: 'Host, or host and port, such as 10.0.0.1:6789.', pattern: CEPH_MONITOR, maxLength: 260 }), { description: 'Monitors of the cluster, which nodes here reach.', minItems: 1, maxItems: 16 }),
  pool: Type.Optional(cephName('Pool of the volumes. Default volumes.')),
  serverPool: Type.Optional(cephName('Pool of the disks of servers that were made of an image, such as vms: once a server has stopped its disk is read there. Default: they come by way of images.')),
  secret: objectName('A Secret of this namespace with the keys `user` (without "client.") and `key`, of a user who may read the pools, and those of images that volumes are copies of.'),
  volumeTypes: Type.Optional(Type.Array(Type.String({ maxLength: 253 }), { description: 'Types of volumes that are there. Default: all are.', maxItems: 64, 'x-kubernetes-list-type': 'set' })),
}, { description: 'The Ceph that has disks of the cloud. They are read there, and of volumes after a warm copy only what has changed since.' });

const spec = Type.Object({
  tenant: withRules(objectName('The OpenStackTenant that shows the servers.'), { rule: 'self == oldSelf', message: 'tenant stays as it is: make another migration' }),
  servers: Type.Object({
    names: withRules(Type.Array(objectName('A VirtualMachine that shows a server.'), { description: 'Names of VirtualMachines that show servers of the tenant.', minItems: 1, maxItems: MOST_SERVERS, 'x-kubernetes-list-type': 'set' }), { rule: 'oldSelf.all(name, name in self)', message: 'servers may be added, and not taken out: delete the migration, or set rollback' }),
  }, { description: 'Which servers.' }),
  strategy: Type.Optional(oneOf(['Cold', 'Warm'], {
    description: 'Cold: a server is stopped, then copied. Warm: it is copied while it runs, and once it is stopped what differs is copied again. Default Cold.',
  })),
  planOnly: Type.Optional(Type.Boolean({ description: 'The plan is made and nothing is done. Default false.' })),
  cutover: Type.Optional(cutover),
  map: Type.Optional(map),
  ceph: Type.Optional(ceph),
  storageClassName: Type.Optional(objectName("StorageClass of disks whose volume type is not mapped. Default: the cluster's default.")),
  volumeMode: Type.Optional(oneOf(['Block', 'Filesystem'], { description: 'Of the claims: the disk itself, or a file in a file system, which every StorageClass can. Default Filesystem.' })),
  userData: Type.Optional(listMap(Type.Object({
    server: objectName('The VirtualMachine.'),
    secret: objectName('A Secret of this namespace, with the user data under the key userdata.'),
  }), ['server'], { description: 'User data of machines, which clouds show to nobody but their admins.', maxItems: MOST_SERVERS })),
  parallel: Type.Optional(Type.Integer({ description: 'Servers that are moved at the same time, 1 to 16. Default 2.', minimum: 1, maximum: 16 })),
  rollback: Type.Optional(Type.Boolean({ description: 'All goes back: what was copied is left, machines here end, servers start that ran before. What was written here since is not there. Default false.' })),
  sources: Type.Optional(oneOf(['Keep', 'Delete'], { description: 'What becomes of servers that were moved. Keep: they stay, stopped and locked. Delete: they and their volumes are deleted; nothing goes back then. Default Keep.' })),
}, { description: 'Servers that become machines of this cluster.' });

const diskStep = oneOf(['Waiting', 'Snapshotting', 'Cloning', 'Exporting', 'Copying', 'Copied', 'Cleared'], {
  description: 'Snapshotting, Cloning: of a volume in the cloud. Exporting: it becomes an image there. Copying: into the claim. Cleared: nothing of the copy is left in the cloud.',
});

const disk = Type.Object({
  name: Type.String({ description: 'As the machine calls it.' }),
  volume: Type.Optional(Type.String({ description: 'Id of the volume; absent for the disk of a server that was made of an image.' })),
  claim: Type.String({ description: 'The PersistentVolumeClaim here.' }),
  claimUID: Type.Optional(Type.String({ description: 'Uid of the claim that the last pass was copied into: another of the same name has none of it.' })),
  sizeBytes: Type.Integer({ format: 'int64', description: 'Of the disk.' }),
  storageClassName: Type.Optional(Type.String({ description: 'Of the claim.' })),
  pass: Type.Integer({ description: 'Of copies: 1 is the first.' }),
  forgotten: Type.Optional(Type.Integer({ description: 'Copies of this pass that were given up, since the cloud has been at them for too long: a service of it that was restarted may have forgotten them. Default 0.' })),
  readFrom: Type.Optional(oneOf(['Image', 'Ceph'], { description: 'Image: of an image that the cloud makes of it. Ceph: where it is; the disk of a server that was made of an image once that has stopped. Default Image.' })),
  step: diskStep,
  snapshot: Type.Optional(Type.String({ description: 'Id of the snapshot that is copied; of Ceph also while what has changed since is copied.' })),
  clone: Type.Optional(Type.String({ description: 'Id of the volume that was made of it.' })),
  image: Type.Optional(Type.String({ description: 'Id of the image that is copied.' })),
  copiedBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Of this pass.' })),
  writtenBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Of this pass: what differed from what was there.' })),
  digest: Type.Optional(Type.String({ description: 'Of what the last pass that ended has copied, which is the whole disk unless Ceph told what had changed: SHA-256, chained over segments of 4 MiB.' })),
});

const plan = Type.Object({
  kept: Type.Array(Type.String({ maxLength: 512 }), { description: 'What is here as it was there.', maxItems: 64 }),
  changed: Type.Array(Type.String({ maxLength: 512 }), { description: 'What is otherwise, or not here.', maxItems: 64 }),
  impossible: Type.Array(Type.String({ maxLength: 512 }), { description: 'Why it cannot be moved.', maxItems: 64 }),
  bytes: Type.Integer({ format: 'int64', description: 'Space that its disks take here.' }),
  seconds: Type.Integer({ format: 'int64', description: 'How long a copy may take, by the sizes of disks.' }),
}, { description: 'What would become of the server.' });

export const SERVER_PHASES = ['Planned', 'Blocked', 'Waiting', 'Copying', 'AwaitingCutover', 'Stopping', 'Finishing', 'Starting', 'Moved', 'RollingBack', 'RolledBack'] as const;

const server = Type.Object({
  name: Type.String({ description: 'Name of the VirtualMachine.' }),
  id: Type.Optional(Type.String({ description: 'Of the server.' })),
  phase: oneOf(SERVER_PHASES, { description: 'Copying: while it runs. Finishing: copied after it was stopped. Starting: the machine here is made. Moved: it is ready.' }),
  message: Type.Optional(Type.String({ description: 'What is waited for, or why it does not go on.', maxLength: 1024 })),
  since: time('When the phase began.'),
  plan: Type.Optional(plan),
  attempt: Type.Optional(Type.Integer({ description: 'How often its move has begun: 1 is the first.' })),
  disks: Type.Optional(listMap(disk, ['name'], { description: 'Its disks, in boot order.', maxItems: MOST_DISKS })),
  floating: Type.Optional(Type.Object({
    id: Type.String({ description: 'Of the floating address in the cloud.' }),
    address: Type.String({ description: 'The address.' }),
    port: Type.String({ description: 'Id of the port to which it led.' }),
  }, { description: 'The floating address that comes along.' })),
  ran: Type.Optional(Type.Boolean({ description: 'Whether the server ran before it was stopped.' })),
  stoppedAt: Type.Optional(time('When it was asked to stop.')),
  readyAt: Type.Optional(time('When the machine here was ready.')),
  darkSeconds: Type.Optional(Type.Integer({ description: 'From the one to the other.' })),
  sourceDeleted: Type.Optional(Type.Boolean({ description: 'The server is deleted. Default false.' })),
});

const status = Type.Object({
  conditions: Type.Optional(conditions()),
  progress: Type.Optional(Type.String({ description: 'Servers that were moved, of all, such as 2/3.' })),
  servers: Type.Optional(listMap(server, ['name'], { description: 'How far each is.', maxItems: MOST_SERVERS })),
});

export type OpenStackMigrationSpec = Static<typeof spec>;
export type OpenStackMigrationStatus = Static<typeof status>;
export type ServerMigration = Static<typeof server>;
export type DiskMigration = Static<typeof disk>;
export type ServerPlan = Static<typeof plan>;
export type ServerPhase = typeof SERVER_PHASES[number];

export const openStackMigration: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'OpenStackMigration',
  plural: 'openstackmigrations',
  shortNames: ['osm'],
  scope: 'Namespaced',
  description: 'Servers of an OpenStackTenant that are to become machines of this cluster.',
  spec,
  status,
  rules: [{ rule: 'self.metadata.name.size() <= 57', message: 'the name of an OpenStackMigration has at most 57 characters, so that labels can have it' }],
  columns: [
    { name: 'Tenant', type: 'string', jsonPath: '.spec.tenant', description: 'The OpenStackTenant.' },
    { name: 'Strategy', type: 'string', jsonPath: '.spec.strategy', description: 'Cold or Warm.' },
    { name: 'Moved', type: 'string', jsonPath: '.status.progress', description: 'Servers that were moved, of all.' },
    { name: 'State', type: 'string', jsonPath: ".status.conditions[?(@.type=='Complete')].reason", description: 'How far it is.' },
  ],
};
