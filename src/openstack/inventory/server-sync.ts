import type { Server, ServerEntry } from '../compute/types.ts';
import { hasCode, isCellDown } from '../errors.ts';
import type { Cloud } from '../port.ts';
import { gathered } from './listing.ts';
import type { InventoryDifference, InventoryState } from './state.ts';

export interface ServerSync {
  readonly servers: ReadonlyMap<string, Server>;
  /** Ids of those that are as they were known before, since nothing is known of them now. */
  readonly unreachable: readonly string[];
  /** When it began, by the service's own clock. */
  readonly dateMs: number;
  readonly full: boolean;
}

/** Reading more than these one by one is slower than listing all. */
const MOST_SINGLY = 20;

const idOf = (entry: ServerEntry): string => (entry.kind === 'present' ? entry.server.id : entry.id);

export async function allServers(cloud: Cloud, before: ReadonlyMap<string, Server>, most: number, signal: AbortSignal): Promise<ServerSync> {
  const { objects: entries, dateMs } = await gathered('servers', cloud.compute.servers(signal), idOf, most);
  const servers = [...entries].flatMap(([id, entry]) => {
    const server = entry.kind === 'present' ? entry.server : entry.kind === 'unreachable' ? before.get(id) : undefined;
    return server === undefined ? [] : [[id, server] as const];
  });
  return { servers: new Map(servers), unreachable: unreachableOf(entries), dateMs, full: true };
}

/**
 * What has changed since a time, on top of what is known. Nova does not tell of changes that were in another service:
 * servers that those touched are read by themselves.
 */
export async function changedServers(cloud: Cloud, before: ReadonlyMap<string, Server>, sinceMs: number, touched: ReadonlySet<string>, most: number, signal: AbortSignal): Promise<ServerSync> {
  const changes = await changesOf(cloud, sinceMs, most, signal);
  if (changes === undefined) return allServers(cloud, before, most, signal);
  const { objects: entries, dateMs } = changes;
  const singly = [...touched].filter((id) => before.has(id) && !entries.has(id));
  if (singly.length > MOST_SINGLY) return allServers(cloud, before, most, signal);
  if (entries.size === 0 && singly.length === 0) return { servers: before, unreachable: [], dateMs, full: false };
  const servers = new Map(before);
  const read = await Promise.all(singly.map(async (id) => [id, await entryOf(cloud, id, signal)] as const));
  const all = new Map([...entries, ...read]);
  for (const [id, entry] of all) {
    if (entry.kind === 'gone') servers.delete(id);
    else if (entry.kind === 'present') servers.set(id, entry.server);
  }
  return { servers, unreachable: unreachableOf(all), dateMs, full: false };
}

/** Undefined where the list cannot be had: some Novas know no more of the marker of a page when its server is deleted. */
async function changesOf(cloud: Cloud, sinceMs: number, most: number, signal: AbortSignal): Promise<{ readonly objects: ReadonlyMap<string, ServerEntry>; readonly dateMs: number } | undefined> {
  try {
    return await gathered('changes', cloud.compute.serverChanges(sinceMs, signal), idOf, most);
  } catch (error) {
    if (hasCode(error, 'InvalidRequest')) return undefined;
    throw error;
  }
}

async function entryOf(cloud: Cloud, id: string, signal: AbortSignal): Promise<ServerEntry> {
  try {
    const server = await cloud.compute.server(id, signal);
    return server === undefined ? { kind: 'gone', id } : { kind: 'present', server };
  } catch (error) {
    if (isCellDown(error)) return { kind: 'unreachable', id };
    throw error;
  }
}

function unreachableOf(entries: ReadonlyMap<string, ServerEntry>): readonly string[] {
  return [...entries].flatMap(([id, { kind }]) => (kind === 'unreachable' ? [id] : []));
}

/** Servers whose addresses or volumes have changed where Neutron and Cinder keep them. */
export function touchedServers({ ports, volumes, floatingAddresses }: Pick<InventoryDifference, 'ports' | 'volumes' | 'floatingAddresses'>, state: Pick<InventoryState, 'ports'>): ReadonlySet<string> {
  const devices = bothOf(ports).map(({ deviceId }) => deviceId);
  const behind = bothOf(floatingAddresses).map(({ portId }) => (portId === undefined ? undefined : state.ports.get(portId)?.deviceId));
  const attached = bothOf(volumes).flatMap(({ attachments }) => attachments.map(({ serverId }) => serverId));
  return new Set([...devices, ...behind, ...attached].filter((id) => id !== undefined));
}

/** Of what is new that which has changed since a time: Nova may not have learnt of it yet. */
export function latelyTouched({ ports, volumes, floatingAddresses }: Parameters<typeof touchedServers>[0], state: Pick<InventoryState, 'ports'>, sinceMs: number): ReadonlySet<string> {
  const lately = <T extends { readonly updatedAtMs?: number }>({ added }: { readonly added: readonly T[] }) => ({ added: added.filter(({ updatedAtMs = 0 }) => updatedAtMs >= sinceMs), changed: [], removed: [] });
  return touchedServers({ ports: lately(ports), volumes: lately(volumes), floatingAddresses: lately(floatingAddresses) }, state);
}

function bothOf<T>({ added, changed, removed }: { readonly added: readonly T[]; readonly changed: readonly { readonly before: T; readonly after: T }[]; readonly removed: readonly T[] }): readonly T[] {
  return [...added, ...removed, ...changed.flatMap(({ before, after }) => [before, after])];
}
