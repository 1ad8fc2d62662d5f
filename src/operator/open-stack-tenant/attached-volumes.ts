import type { Server } from '../../openstack/compute/types.ts';
import { digestOf } from './names.ts';
import type { DisksOutcome, VolumeDisk } from './outcome.ts';
import { isObserved, type MapContext } from './target.ts';

/** A volume that a server has, and the claim that mirrors it here. */
export interface AttachedVolume {
  readonly id: string;
  readonly claim: string;
}

/** As many disks as a machine may have. */
const MOST = 24;

/** Ids of all volumes of a server with their devices: both Nova and Cinder know some a moment before the other does. */
export function devicesOf({ id, volumes }: Server, { state, index }: MapContext): ReadonlyMap<string, string | undefined> {
  const devices = new Map(index.volumesOf(state, id).map((volume) => [volume.id, volume.attachments.find(({ serverId }) => serverId === id)?.device]));
  return new Map([...new Set([...volumes.map((volume) => volume.id), ...devices.keys()])].sort().map((volume) => [volume, devices.get(volume)]));
}

/** Volumes of a server that are mirrored, in the order of their devices. */
export function attachedVolumes(server: Server, context: MapContext): readonly AttachedVolume[] {
  if (!isObserved(context.tenant.spec.volumes)) return [];
  const orderOf = ([id, device]: readonly [string, string | undefined]): string => `${device ?? '~'} ${id}`;
  const ordered = [...devicesOf(server, context)].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  return ordered.flatMap(([id]) => {
    const claim = context.mirrorOf('claims', id)?.name;
    return claim === undefined ? [] : [{ id, claim }];
  }).slice(0, MOST);
}

/** As the cloud has it. */
export function disksThere(server: Server, context: MapContext): DisksOutcome {
  const there = attachedVolumes(server, context);
  return { disks: disksFor(there), synced: isObserved(context.tenant.spec.volumes) ? there.map(({ id }) => id).sort() : undefined };
}

/** Disks for volumes beside others, with names that none of those has: `vol-` and the first digits of the id, the same each time. */
export function disksFor(volumes: readonly AttachedVolume[], others: readonly VolumeDisk[] = []): readonly VolumeDisk[] {
  const taken = new Set(others.map(({ name }) => name));
  return volumes.map(({ id, claim }) => {
    const short = `vol-${/^[0-9a-f]{8}/.exec(id)?.[0] ?? digestOf(id, 8)}`;
    const name = taken.has(short) ? `vol-${digestOf(id, 16)}` : short;
    taken.add(name);
    return { name, persistentVolumeClaim: claim };
  });
}
