import { Type, type Static } from 'typebox';
import { listMap, oneOf, time } from '../schema/field.ts';

/** What the node's agent sees of the guest; written by it alone. */
export const guestStatus = Type.Object({
  phase: oneOf(['Preparing', 'Starting', 'Running', 'Paused', 'Stopping', 'Stopped', 'Failed'], {
    description: 'Preparing: image, disks and network are made. Failed: it could not be started; reason and message say why.',
  }),
  reason: Type.Optional(Type.String({ description: 'Why it is in this phase, in one word; for Stopped: Shutdown (the guest powered off), Crashed, LivenessFailed (it was ended because its liveness probe failed), or Requested (its anchor was deleted).' })),
  message: Type.Optional(Type.String({ description: 'Why, in a line for people.' })),
  anchor: Type.String({ description: "Name of the anchor that this is about." }),
  anchorUID: Type.String({ description: 'Uid of the anchor.' }),
  node: Type.String({ description: 'The node.' }),
  address: Type.Optional(Type.String({ description: 'Address on the flat network.' })),
  macAddress: Type.Optional(Type.String({ description: 'MAC address of the guest.' })),
  acceleration: Type.Optional(Type.String({ description: 'kvm, or tcg where the processor is emulated.' })),
  agentConnected: Type.Optional(Type.Boolean({ description: 'Whether the QEMU guest agent answers.' })),
  osName: Type.Optional(Type.String({ description: 'What runs in the guest, from its agent.' })),
  disks: Type.Optional(listMap(Type.Object({
    name: Type.String({ description: 'Name of the disk.' }),
    claim: Type.String({ description: 'Its PersistentVolumeClaim.' }),
    attached: Type.Boolean({ description: 'Whether the guest has it.' }),
    sizeBytes: Type.Optional(Type.Integer({ format: 'int64', description: 'Size that the guest sees.' })),
    message: Type.Optional(Type.String({ description: 'What is still to come, or went wrong.' })),
  }), ['name'], { description: 'Disks of claims, as the running guest has them.', maxItems: 64 })),
  startedAt: Type.Optional(time('When the guest was started.')),
  stoppedAt: Type.Optional(time('When it was seen to have stopped.')),
}, { description: "What the node's agent sees of the guest." });

export type GuestStatus = Static<typeof guestStatus>;
