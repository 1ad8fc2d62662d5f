import { Type, type Static } from 'typebox';
import { conditions, listMap, oneOf, time } from '../schema/field.ts';
import { guestStatus } from './guest-status.ts';

const printableStatus = oneOf([
  'Stopped', 'Provisioning', 'Starting', 'Running', 'Paused', 'Stopping', 'Terminating', 'CrashLoopBackOff',
  'ErrorUnschedulable', 'ErrImagePull', 'ErrorNotFound', 'ErrorAddress', 'ErrorGuest', 'Unknown',
], { description: 'The state in one word, as KubeVirt has it.' });

export const virtualMachineStatus = Type.Object({
  printableStatus: Type.Optional(printableStatus),
  ready: Type.Optional(Type.Boolean({ description: 'Whether the guest runs and its readiness probe succeeds.' })),
  node: Type.Optional(Type.String({ description: 'The node that the guest is on.' })),
  anchor: Type.Optional(Type.String({ description: 'Name of the core/v1 Pod that stands for the guest.' })),
  address: Type.Optional(Type.String({ description: 'Address on the flat network; kept over restarts.' })),
  cpu: Type.Optional(Type.Integer({ description: 'Virtual CPUs, as resolved.' })),
  memory: Type.Optional(Type.String({ description: 'Memory of the guest, as resolved.' })),
  observedGeneration: Type.Optional(Type.Integer({ format: 'int64', description: 'Generation of the spec that this status is about.' })),
  restarts: Type.Optional(Type.Integer({ description: 'How often the guest was started again after it had ended by itself.' })),
  nextStart: Type.Optional(time('When a guest that keeps ending is started again.')),
  failures: Type.Optional(Type.Integer({ description: 'How often in a row the guest ended soon after its start.' })),
  endedAnchor: Type.Optional(Type.String({ description: 'The anchor whose guest ended last by itself; its end is counted in failures.' })),
  home: Type.Optional(Type.String({ description: 'The node that holds the disks; the machine runs only there.' })),
  restartedAt: Type.Optional(Type.String({ description: 'The restart request (annotation yadokari.dev/restarted-at) that was carried out last.' })),
  completed: Type.Optional(Type.Boolean({ description: 'With runStrategy Once or RerunOnFailure: the guest has powered off and is not started again.' })),
  phases: Type.Optional(listMap(Type.Object({
    phase: Type.String({ description: 'Created, Scheduled, Started or Ready.' }),
    time: time('When it was reached last.'),
  }), ['phase'], { description: 'When each phase of the last start was reached.', maxItems: 16 })),
  conditions: Type.Optional(conditions()),
  guest: Type.Optional(guestStatus),
});

export type VirtualMachineStatus = Static<typeof virtualMachineStatus>;
export type PrintableStatus = Static<typeof printableStatus>;
