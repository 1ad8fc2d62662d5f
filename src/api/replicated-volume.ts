import { Type, type Static } from 'typebox';
import { conditions, listMap, objectName, time, withRules } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';

/** Nodes of a volume that hold its data, and one that may only vote. */
export const MOST_REPLICAS = 4;

const replica = Type.Object({
  node: objectName('Name of the Node.'),
  nodeId: Type.Integer({ description: 'Of this replica alone, also after it was removed.', minimum: 0, maximum: 15 }),
  diskless: Type.Optional(Type.Boolean({ description: 'It holds no data and breaks ties: DRBD 9 alone. Default false.' })),
}, { description: 'A node that has a part in the volume.' });

const fence = Type.Object({
  outdated: Type.Array(Type.String({ maxLength: 253 }), { description: 'Nodes that may lack what was written: none of them may write until it has been resynchronised.', maxItems: 16, 'x-kubernetes-list-type': 'set' }),
  by: Type.Optional(Type.String({ description: 'The node that shut the others out.', maxLength: 253 })),
  time: Type.Optional(time('When it did.')),
  epoch: Type.Integer({ format: 'int64', description: 'Counts how often nodes were shut out.', minimum: 0 }),
}, { description: 'Who may write when nodes do not see each other. Whoever changes this first does; written by the nodes.' });

const spec = withRules(Type.Object({
  backend: objectName('Name of the StorageBackend.'),
  requestedName: Type.String({ description: 'What whoever asked for it calls it.', maxLength: 253 }),
  sizeBytes: Type.Integer({ format: 'int64', description: 'Size, in bytes; it never becomes smaller.', minimum: 1 }),
  replicas: listMap(replica, ['node'], { description: 'Where it is. Nodes that are added receive the data from the others; those that are removed wipe theirs.', maxItems: MOST_REPLICAS }),
  fence,
  discard: Type.Optional(Type.String({ description: 'Node whose own changes are given up, where several have changed what they had: what a person decides.', maxLength: 253 })),
  verify: Type.Optional(Type.Integer({ format: 'int64', description: 'A number larger than before lets the replicas be compared.', minimum: 0 })),
}, { description: 'A volume that several nodes have a copy of.' }),
{ rule: 'self.sizeBytes >= oldSelf.sizeBytes', message: 'a volume never becomes smaller' },
{ rule: 'self.backend == oldSelf.backend && self.requestedName == oldSelf.requestedName', message: 'backend and requestedName stay' });

const replicaStatus = Type.Object({
  node: Type.String({ description: 'The node.' }),
  hostname: Type.Optional(Type.String({ description: 'What its kernel calls the node.' })),
  address: Type.Optional(Type.String({ description: 'Where other replicas reach it.' })),
  port: Type.Optional(Type.Integer({ description: 'TCP port that is this replica\'s on its node.' })),
  minor: Type.Optional(Type.Integer({ description: 'Number of the device on its node.' })),
  made: Type.Optional(Type.Boolean({ description: 'It has had a place for its data: one that is gone is not made again.' })),
  backingBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Room that it has for data, in bytes.' })),
  deviceBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Size that is seen, in bytes.' })),
  role: Type.Optional(Type.String({ description: 'Primary where it is written to.' })),
  disk: Type.Optional(Type.String({ description: 'UpToDate, Consistent, Outdated, Inconsistent, Diskless, …' })),
  connection: Type.Optional(Type.String({ description: 'Connected, WFConnection, StandAlone, SyncTarget, …' })),
  peerDisk: Type.Optional(Type.String({ description: 'What it knows of the other one\'s data.' })),
  suspended: Type.Optional(Type.Boolean({ description: 'Reads and writes wait.' })),
  splitBrain: Type.Optional(Type.Boolean({ description: 'It and another have both changed what they had.' })),
  syncedPercent: Type.Optional(Type.Number({ description: 'How far a resynchronisation or a comparison is.' })),
  verified: Type.Optional(Type.Integer({ format: 'int64', description: 'The number of the last comparison that has ended.' })),
  verifying: Type.Optional(Type.Integer({ format: 'int64', description: 'The number of the comparison that is under way.' })),
  outOfSyncBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'What is known to differ, in bytes.' })),
  message: Type.Optional(Type.String({ description: 'What keeps it from working.' })),
}, { description: 'A replica as its node sees it.' });

const status = Type.Object({
  conditions: Type.Optional(conditions()),
  replicas: Type.Optional(listMap(replicaStatus, ['node'], { description: 'What each node says of its replica.', maxItems: 16 })),
});

export type ReplicatedVolumeSpec = Static<typeof spec>;
export type ReplicatedVolumeStatus = Static<typeof status>;
export type ReplicaStatus = Static<typeof replicaStatus>;

export const replicatedVolume: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'ReplicatedVolume',
  plural: 'replicatedvolumes',
  shortNames: ['rvol'],
  scope: 'Cluster',
  description: 'A volume that DRBD keeps on several nodes; made and removed by the CSI driver.',
  spec,
  status,
  columns: [
    { name: 'Size', type: 'integer', jsonPath: '.spec.sizeBytes', description: 'Size, in bytes.' },
    { name: 'Claim', type: 'string', jsonPath: '.spec.requestedName', description: 'What it was made for.' },
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status", description: 'Whether it can be used.' },
    { name: 'Reason', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].reason", description: 'Why.' },
    { name: 'Degraded', type: 'string', jsonPath: ".status.conditions[?(@.type=='Degraded')].status", description: 'Whether a replica lacks something.' },
    { name: 'Outdated', type: 'string', jsonPath: '.spec.fence.outdated', description: 'Nodes that may not write.', priority: 1 },
  ],
};
