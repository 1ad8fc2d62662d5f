import type { CloudDescription } from '../../openstack/cloud.ts';
import type { CloudSettings } from '../../openstack/clouds.ts';
import type { Server, ServerAddress } from '../../openstack/compute/types.ts';
import type { InventoryKind, InventoryState } from '../../openstack/inventory/state.ts';
import type { Identity } from '../../openstack/port.ts';
import { portrayalProblems, portrayedKinds, type PortrayedKind } from './portrayal.ts';

/** Who signs in where. */
export interface Whereabouts extends CloudDescription {
  readonly cloud: string;
  readonly authUrl: string;
  readonly user: { readonly id: string; readonly name: string; readonly roles: readonly string[] };
  readonly project: { readonly id: string; readonly name: string };
}

export interface ServerLine {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  /** What is being done to it. */
  readonly task?: string;
  readonly locked: boolean;
  /** Why it is in ERROR. */
  readonly fault?: string;
  readonly flavor: string;
  readonly addresses: readonly { readonly address: string; readonly network: string; readonly floating: boolean }[];
  readonly volumes: readonly { readonly id: string; readonly name: string; readonly sizeGiB?: number }[];
  /** Absent where it was booted from a volume. */
  readonly image?: { readonly id: string; readonly name: string };
}

/** What a project has, and what of it Kubernetes would show. */
export interface Discovery extends Whereabouts {
  readonly kinds: readonly PortrayedKind[];
  /** Kinds that the cloud has not got. */
  readonly missingKinds: readonly InventoryKind[];
  readonly servers: readonly ServerLine[];
  /** Ids of servers of which the cloud could say nothing. */
  readonly unreachable: readonly string[];
  /** What is not shown, or not all of it, and why. */
  readonly problems: readonly string[];
}

export interface Found {
  readonly state: InventoryState;
  readonly missing: readonly InventoryKind[];
  readonly unreachable: readonly string[];
}

export function whereaboutsOf({ name, authUrl }: CloudSettings, { userId, userName, projectId, projectName, roles }: Identity, description: CloudDescription): Whereabouts {
  return { cloud: name, authUrl, user: { id: userId, name: userName, roles }, project: { id: projectId, name: projectName }, ...description };
}

export function discoveryOf(whereabouts: Whereabouts, { state, missing, unreachable }: Found): Discovery {
  const servers = [...state.servers.values()].map((server) => lineOf(server, state)).sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }) || (a.id < b.id ? -1 : 1));
  return { ...whereabouts, kinds: portrayedKinds(state, missing), missingKinds: missing, servers, unreachable, problems: portrayalProblems(state) };
}

/** Those that other machines use first, and IPv4 before IPv6. */
function placeOf({ kind, version }: ServerAddress): number {
  return (kind === 'floating' ? 10 : 0) + version;
}

function lineOf(server: Server, state: InventoryState): ServerLine {
  const { id, name, status, task, locked, fault, flavor, imageId, addresses } = server;
  const attached = new Set([...server.volumes.map((volume) => volume.id), ...[...state.volumes.values()].filter(({ attachments }) => attachments.some(({ serverId }) => serverId === id)).map((volume) => volume.id)]);
  return {
    id, name, status, locked,
    ...(task === undefined ? {} : { task }),
    ...(fault === undefined ? {} : { fault: fault.message }),
    flavor: flavor.kind === 'copy' ? flavor.name : state.flavors.get(flavor.id)?.name ?? flavor.id,
    addresses: addresses.toSorted((a, b) => placeOf(a) - placeOf(b)).map(({ address, network, kind }) => ({ address, network, floating: kind === 'floating' })),
    volumes: [...attached].sort().map((volumeId) => {
      const volume = state.volumes.get(volumeId);
      return { id: volumeId, name: volume?.name ?? '', ...(volume === undefined ? {} : { sizeGiB: volume.sizeGiB }) };
    }),
    ...(imageId === undefined ? {} : { image: { id: imageId, name: state.images.get(imageId)?.name ?? '' } }),
  };
}
