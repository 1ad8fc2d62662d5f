import { isDeepStrictEqual } from 'node:util';
import type { CompiledDisk, CompiledGuest } from '../../api/compiled-guest.ts';
import type { GuestStatus } from '../../api/guest-status.ts';

/** Whether a guest runs as it would be started now. Among disks of claims the order is nobody's concern: they come and go. */
export function isSameGuest(running: CompiledGuest, wanted: CompiledGuest): boolean {
  return isDeepStrictEqual(plain(running), plain(wanted));
}

/**
 * The running guest with the disks of claims that it should have, and their sizes: what may change without a restart.
 * A disk that is another claim's now goes first, and comes once the guest has let go of the former.
 */
export function withWantedDisks(running: CompiledGuest, wanted: CompiledGuest, seen: GuestStatus | undefined): CompiledGuest {
  const claims = wanted.disks.filter(({ claim }) => claim !== undefined);
  const kept = running.disks.flatMap((disk) => {
    if (disk.claim === undefined) return [disk];
    const now = claims.find((other) => isSameDisk(other, disk));
    return now === undefined ? [] : [now];
  });
  const isTaken = ({ name, claim }: CompiledDisk): boolean => kept.some((disk) => disk.name === name) || (seen?.disks ?? []).some((disk) => disk.name === name && disk.attached && disk.claim !== claim?.name);
  const added = claims.filter((disk) => !running.disks.some((other) => isSameDisk(other, disk)) && !isTaken(disk));
  return { ...running, disks: [...kept, ...added] };
}

function isSameDisk(one: CompiledDisk, other: CompiledDisk): boolean {
  return one.name === other.name && one.readOnly === other.readOnly && isDeepStrictEqual(one.claim, other.claim);
}

function plain(guest: CompiledGuest): unknown {
  const disks = [...guest.disks.filter(({ claim }) => claim === undefined), ...guest.disks.filter(({ claim }) => claim !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1))];
  return JSON.parse(JSON.stringify({ ...guest, disks }));
}
