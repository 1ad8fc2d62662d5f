import { ANNOTATION_REQUESTED_STATE, ANNOTATION_RESTARTED_AT } from '../../../api/group.ts';
import { ANNOTATION_SERVER_GROUP, LABEL_SERVER_GROUP, securityGroupLabel } from '../../../api/open-stack-names.ts';
import type { OpenStackTenantSpec } from '../../../api/open-stack-tenant.ts';
import type { OpenStackServerStatus, VirtualMachineStatus } from '../../../api/virtual-machine-status.ts';
import { formatBytes } from '../../../base/quantity.ts';
import { mergeConditions, timestamp, type ConditionDraft } from '../../../kube/conditions.ts';
import { virtualMachines, type VirtualMachine } from '../../../kube/yadokari.ts';
import type { Server } from '../../../openstack/compute/types.ts';
import { devicesOf, disksThere } from '../attached-volumes.ts';
import { labelOfId, MACHINE_NAME_LIMIT, objectNameOf } from '../names.ts';
import type { PowerOutcome, ServerOutcome, SizeOutcome } from '../outcome.ts';
import { defined } from '../patch.ts';
import { powerOf, printableOf, reasonOf } from '../server-words.ts';
import { wanted, type MapContext, type Mapping, type Target } from '../target.ts';
import { instanceTypeThere } from './flavors.ts';

/** Limits of lists in the status; a server has seldom more than a few of each. */
const MOST = 256;

/** Servers are VirtualMachines that this cluster does not run. */
export const servers: Target<Server, VirtualMachine> = {
  name: 'servers',
  source: 'servers',
  resource: virtualMachines,
  isOn: () => true,
  isChosen: ({ metadata }, spec) => isSelected(metadata, spec.servers),
  baseName: ({ name, id }) => objectNameOf(name, id, MACHINE_NAME_LIMIT),
  originalName: ({ name }) => name,
  nameLimit: MACHINE_NAME_LIMIT,
  whole: new Set(['spec', 'status']),
  map: (server, context, existing) => machineOf(server, context, existing),
};

/** Without an outcome nothing here reaches the server. */
export function machineOf(server: Server, context: MapContext, existing: VirtualMachine | undefined, outcome?: ServerOutcome): Mapping {
  const { tenant, state, index } = context;
  const there = powerOf(server);
  const known = existing?.status?.provider?.openstack?.synced;
  const { size = sizeThere(server, context), disks = disksThere(server, context) } = outcome ?? {};
  const [group] = index.groupsOf(state, server.id);
  const groups = new Set(index.portsOf(state, server.id).flatMap(({ securityGroupIds }) => securityGroupIds));
  return wanted({
    labels: { ...Object.fromEntries([...groups].sort().map((id) => [securityGroupLabel(id), ''])), ...(group === undefined ? {} : { [LABEL_SERVER_GROUP]: labelOfId(group.id) }) },
    annotations: {
      ...(group === undefined ? {} : { [ANNOTATION_SERVER_GROUP]: `${group.name} (${group.policy})` }),
      // Where nothing is carried out nothing may seem to be asked for.
      ...(outcome === undefined ? requestsOf(existing) : {}),
    },
    body: {
      spec: defined({
        provider: { openstack: { tenant: tenant.metadata.name, server: server.id } }, runStrategy: outcome?.runStrategy ?? there ?? known ?? 'Always',
        // The defaults of all machines, which mean nothing for this one.
        terminationGracePeriodSeconds: 60, evictionStrategy: 'Restart',
        instanceType: size.instanceType, disks: someOf(disks.disks),
      }),
    },
    status: statusOf(server, context, existing?.status, { synced: there ?? known, ...outcome, size, disks }),
  });
}

/** The first that is its own, of IPv4 where it has one. */
export function addressOf({ addresses }: Server): Server['addresses'][number] | undefined {
  const fixed = addresses.filter(({ kind }) => kind === 'fixed');
  return fixed.find(({ version }) => version === 4) ?? fixed[0];
}

export function isSelected(metadata: Readonly<Record<string, string>>, servers: OpenStackTenantSpec['servers']): boolean {
  return Object.entries(servers?.selector?.metadata ?? {}).every(([name, value]) => metadata[name] === value);
}

function sizeThere(server: Server, context: MapContext): SizeOutcome {
  const instanceType = instanceTypeThere(server, context);
  return { instanceType, synced: instanceType };
}

function requestsOf(existing: VirtualMachine | undefined): Readonly<Record<string, null>> {
  return Object.fromEntries([ANNOTATION_RESTARTED_AT, ANNOTATION_REQUESTED_STATE].filter((name) => existing?.metadata.annotations?.[name] !== undefined).map((name) => [name, null]));
}

function statusOf(server: Server, context: MapContext, before: VirtualMachineStatus | undefined, { synced, requested, restartedAt, condition, size, disks }: Partial<PowerOutcome> & Pick<ServerOutcome, 'size' | 'disks'>): VirtualMachineStatus {
  const address = addressOf(server);
  const flavor = server.flavor.kind === 'copy' ? server.flavor : context.state.flavors.get(server.flavor.id);
  const ready = readyOf(server);
  return defined({
    printableStatus: printableOf(server),
    ready: ready.status === 'True',
    address: address?.address,
    cpu: flavor?.vcpus,
    memory: flavor === undefined ? undefined : formatBytes(flavor.memoryMiB * 2 ** 20),
    restartedAt: restartedAt ?? before?.restartedAt,
    conditions: [...mergeConditions(before?.conditions, [ready, ...(condition === undefined ? [] : [condition])], context.nowMs)],
    provider: {
      openstack: defined({
        ...shownOf(server, context), synced,
        requested: requested === undefined ? undefined : { runStrategy: requested.runStrategy, time: timestamp(requested.sinceMs) },
        syncedInstanceType: size.synced,
        requestedInstanceType: size.requested === undefined ? undefined : defined({ instanceType: size.requested.instanceType, confirmed: size.requested.confirmed ? true : undefined, time: timestamp(size.requested.sinceMs) }),
        syncedVolumes: someOf(disks.synced ?? []),
        requestedVolumes: someOf((disks.requested ?? []).map(({ id, attached, sinceMs }) => ({ id, attached, time: timestamp(sinceMs) }))),
      }),
    },
  }) as VirtualMachineStatus;
}

function shownOf(server: Server, context: MapContext): { readonly [K in keyof OpenStackServerStatus]: OpenStackServerStatus[K] | undefined } {
  const { status, task, power, flavor, imageId, addresses, securityGroups, keyName, metadata, availabilityZone, createdAtMs, locked, fault } = server;
  const { state } = context;
  return {
    status,
    taskState: task,
    powerState: power,
    flavor: flavor.kind === 'copy' ? flavor.name : state.flavors.get(flavor.id)?.name ?? flavor.id,
    image: imageId === undefined ? undefined : defined({ id: imageId, name: state.images.get(imageId)?.name || undefined }) as { id: string },
    addresses: someOf(addresses.map(({ network, address, macAddress, kind }) => defined({ network, address, mac: macAddress, floating: kind === 'floating' ? true : undefined }) as { network: string; address: string })),
    securityGroups: someOf([...new Set(securityGroups)].sort()),
    keyName,
    volumes: someOf([...devicesOf(server, context)].map(([id, device]) => defined({ id, device }) as { id: string })),
    metadata: Object.keys(metadata).length === 0 ? undefined : { ...metadata },
    availabilityZone,
    createdAt: timestamp(createdAtMs),
    locked: locked ? true : undefined,
    fault: fault?.message,
  };
}

function readyOf({ status, fault, task }: Server): ConditionDraft {
  if (status === 'ACTIVE' && task !== 'powering-off') return { type: 'Ready', status: 'True', reason: 'Active', message: 'the server runs' };
  const doing = task === undefined ? '' : ` (${task})`;
  return { type: 'Ready', status: status === 'UNKNOWN' ? 'Unknown' : 'False', reason: reasonOf(status), message: status === 'ERROR' ? fault?.message ?? 'the server is in ERROR, and the cloud does not say why' : `the server is ${status}${doing}` };
}

function someOf<T>(list: readonly T[]): T[] | undefined {
  return list.length === 0 ? undefined : list.slice(0, MOST);
}
