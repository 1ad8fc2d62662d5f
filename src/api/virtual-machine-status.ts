import { Type, type Static } from 'typebox';
import { conditions, listMap, oneOf, textMap, time } from '../schema/field.ts';
import { guestStatus } from './guest-status.ts';

const printableStatus = oneOf([
  'Stopped', 'Provisioning', 'Starting', 'Running', 'Paused', 'Stopping', 'Terminating', 'CrashLoopBackOff',
  'ErrorUnschedulable', 'ErrorPvcNotFound', 'ErrImagePull', 'ErrorNotFound', 'ErrorAddress', 'ErrorGuest', 'Unknown',
], { description: 'The state in one word, as KubeVirt has it.' });

const openstack = Type.Object({
  status: Type.String({ description: 'The word of the cloud, such as ACTIVE.' }),
  taskState: Type.Optional(Type.String({ description: 'What is being done to it, such as powering-off.' })),
  powerState: Type.Optional(Type.String({ description: 'Of the guest, as the hypervisor says: running, paused, shutdown, …' })),
  flavor: Type.Optional(Type.String({ description: 'Name of the flavor.' })),
  image: Type.Optional(Type.Object({
    id: Type.String({ description: 'Its id.' }),
    name: Type.Optional(Type.String({ description: 'Its name, where the image is still there.' })),
  }, { description: 'The image it was made of. Absent where it boots from a volume.' })),
  addresses: Type.Optional(Type.Array(Type.Object({
    network: Type.String({ description: 'Name of the network.' }),
    address: Type.String({ description: 'The address.' }),
    mac: Type.Optional(Type.String({ description: 'MAC address of the port.' })),
    floating: Type.Optional(Type.Boolean({ description: 'It leads to another of the addresses, from outside. Default false.' })),
  }), { description: 'Addresses, fixed and floating.', maxItems: 256 })),
  securityGroups: Type.Optional(Type.Array(Type.String(), { description: 'Names of its security groups.', maxItems: 256 })),
  keyName: Type.Optional(Type.String({ description: 'The keypair it was made with.' })),
  volumes: Type.Optional(Type.Array(Type.Object({
    id: Type.String({ description: 'Its id.' }),
    device: Type.Optional(Type.String({ description: 'What the cloud calls it, such as /dev/vdb.' })),
  }), { description: 'Attached volumes.', maxItems: 256 })),
  metadata: Type.Optional(textMap('Metadata of the server.')),
  availabilityZone: Type.Optional(Type.String({ description: 'Where in the cloud it is.' })),
  createdAt: Type.Optional(time('When the server was made.')),
  locked: Type.Optional(Type.Boolean({ description: 'Nobody but admins of the cloud may change it. Default false.' })),
  fault: Type.Optional(Type.String({ description: 'Why it is in ERROR.' })),
  synced: Type.Optional(oneOf(['Always', 'Halted'], { description: 'The runStrategy that both sides had last: whoever differs from it has changed since.' })),
  requested: Type.Optional(Type.Object({
    runStrategy: oneOf(['Always', 'Halted'], { description: 'What the cloud was asked for.' }),
    time: time('When.'),
  }, { description: 'A change that the cloud has taken up and not finished yet.' })),
  syncedInstanceType: Type.Optional(Type.String({ description: 'The instanceType that both sides had last.' })),
  requestedInstanceType: Type.Optional(Type.Object({
    instanceType: Type.String({ description: 'What the cloud was asked for.' }),
    confirmed: Type.Optional(Type.Boolean({ description: 'The cloud has the new size, and was asked to keep it. Default false.' })),
    time: time('When it was asked last.'),
  }, { description: 'A resize that the cloud has taken up and not finished yet.' })),
  syncedVolumes: Type.Optional(Type.Array(Type.String(), { description: 'Ids of the volumes that both sides had last.', maxItems: 256 })),
  requestedVolumes: Type.Optional(Type.Array(Type.Object({
    id: Type.String({ description: 'Id of the volume.' }),
    attached: Type.Boolean({ description: 'Whether it is to be attached, or detached.' }),
    time: time('When.'),
  }), { description: 'Volumes that the cloud was asked to attach or detach, and has not yet.', maxItems: 256 })),
}, { description: 'The server as the cloud shows it.' });

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
  provider: Type.Optional(Type.Object({ openstack: Type.Optional(openstack) }, { description: 'What is known of a machine that this cluster does not run.' })),
});

export type VirtualMachineStatus = Static<typeof virtualMachineStatus>;
export type OpenStackServerStatus = Static<typeof openstack>;
export type PrintableStatus = Static<typeof printableStatus>;
