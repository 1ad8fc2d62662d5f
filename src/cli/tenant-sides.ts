import { LABEL_CLOUD_ID, LABEL_TENANT, LABEL_TENANT_NAMESPACE } from '../api/open-stack-names.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/core.ts';
import type { KubeObject, Resource } from '../kube/object.ts';
import { persistentVolumes } from '../kube/storage.ts';
import { instanceTypes, virtualMachineImages, virtualMachines, type VirtualMachine } from '../kube/yadokari.ts';
import { ipPools, networkPolicies } from '../network/calico/kinds.ts';
import type { Server, ServerStatus } from '../openstack/compute/types.ts';
import type { InventoryKind, InventoryState } from '../openstack/inventory/state.ts';
import { wordsOf } from './tenant/discovery-text.ts';
import { portrayedKinds } from './tenant/portrayal.ts';

/** A project as the cloud has it, and what mirrors it here. */
export interface TenantSides {
  readonly there: InventoryState;
  readonly machines: readonly VirtualMachine[];
  /** How many objects there are here, by what they mirror. */
  readonly here: ReadonlyMap<InventoryKind, number>;
}

/** What mirrors each kind; of a volume the claim comes with it. */
const OBJECTS: Readonly<Partial<Record<InventoryKind, Resource>>> = {
  servers: virtualMachines, volumes: persistentVolumes, flavors: instanceTypes, images: virtualMachineImages, keypairs: secrets, subnets: ipPools, securityGroups: networkPolicies,
};
/** What a server that rests in this status is here. */
const STATUSES: Readonly<Partial<Record<ServerStatus, string>>> = { ACTIVE: 'Running', SHUTOFF: 'Stopped' };

export async function readSides(client: KubeClient, tenant: { readonly namespace: string; readonly name: string }, there: InventoryState, signal: AbortSignal): Promise<TenantSides> {
  const list = async (resource: Resource): Promise<readonly KubeObject[]> => (await client.listAll(resource, {
    signal, labelSelector: `${LABEL_TENANT}=${tenant.name}${resource.namespaced ? '' : `,${LABEL_TENANT_NAMESPACE}=${tenant.namespace}`}`, ...(resource.namespaced ? { namespace: tenant.namespace } : {}),
  })).items;
  const here = new Map<InventoryKind, number>();
  for (const [kind, resource] of Object.entries(OBJECTS)) here.set(kind as InventoryKind, (await list(resource)).length);
  return { there, here, machines: await list(virtualMachines) as readonly VirtualMachine[] };
}

export function machineOf({ machines }: Pick<TenantSides, 'machines'>, serverId: string): VirtualMachine | undefined {
  return machines.find(({ metadata }) => metadata.labels?.[LABEL_CLOUD_ID] === serverId);
}

/** Each server beside its machine. */
export function serverRows(sides: TenantSides): readonly (readonly string[])[] {
  const servers = [...sides.there.servers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return [['SERVER THERE', 'STATUS', 'FLAVOR', 'ADDRESSES', 'MACHINE HERE', 'STATUS', 'CPU', 'MEMORY', 'ADDRESS'], ...servers.map((server) => {
    const { name, status, flavor, addresses } = server;
    const { metadata, status: shown } = machineOf(sides, server.id) ?? {};
    return [
      name, status, flavor.kind === 'copy' ? flavor.name : flavor.id, addresses.filter(({ version }) => version === 4).map(({ address }) => address).join(', '),
      metadata?.name ?? '-', shown?.printableStatus ?? '-', String(shown?.cpu ?? '-'), shown?.memory ?? '-', shown?.address ?? '-',
    ];
  })];
}

/** Each kind with its numbers on both sides. */
export function kindRows({ there, here }: TenantSides): readonly (readonly string[])[] {
  return [['KIND', 'THERE', 'HERE', 'AS'], ...portrayedKinds(there, []).map(({ kind, there: count, as }) => [wordsOf(kind), String(count), here.has(kind) ? String(here.get(kind)) : '-', as])];
}

/** In what the two sides differ; subnets that the cluster has itself are left out by the mirror, and that is no difference. */
export function differences(sides: TenantSides): readonly string[] {
  const counts = portrayedKinds(sides.there, []).flatMap(({ kind, here: expected }) => {
    const found = sides.here.get(kind);
    if (expected === undefined || found === undefined || found === expected || (kind === 'subnets' && found < expected)) return [];
    return [`${found} ${kind} are here, and ${expected} should be`];
  });
  return [...counts, ...[...sides.there.servers.values()].flatMap((server) => serverDifference(server, machineOf(sides, server.id)) ?? [])];
}

function serverDifference({ name, status, addresses }: Server, machine: VirtualMachine | undefined): string | undefined {
  if (machine === undefined) return `server ${name} has no machine here`;
  const { printableStatus, address } = machine.status ?? {};
  const expected = STATUSES[status];
  if (expected !== undefined && printableStatus !== expected) return `server ${name} is ${status}, and its machine ${printableStatus ?? 'without a status'}`;
  return addresses.some((one) => one.address === address) ? undefined : `machine ${machine.metadata.name} has the address ${address ?? 'none'}, and server ${name} has ${addresses.map((one) => one.address).join(', ') || 'none'}`;
}
