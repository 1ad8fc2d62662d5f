import { disksFor, type AttachedVolume } from './attached-volumes.ts';
import type { RequestedVolume, VolumeDisk } from './outcome.ts';
import { PATIENCE_MS } from './power.ts';

/** What both sides say, and what they said last. */
export interface DisksView {
  /** In order. */
  readonly there: readonly AttachedVolume[];
  /** What is written here, with the volume that the claim mirrors; undefined where it mirrors none. */
  readonly here: readonly { readonly disk: VolumeDisk; readonly volume: string | undefined }[];
  /** Ids that both had last; undefined where that is not known, and then nothing is detached. */
  readonly synced: readonly string[] | undefined;
  readonly requested: readonly RequestedVolume[];
  readonly nowMs: number;
}

export interface DiskChange {
  readonly kind: 'attach' | 'detach';
  readonly id: string;
  readonly claim: string;
}

export interface DisksDecision {
  /** What is written here from now on. */
  readonly disks: readonly VolumeDisk[];
  /** What both have now, as long as none of the changes has been taken up. */
  readonly synced: readonly string[];
  /** What was changed here is carried out there. */
  readonly changes: readonly DiskChange[];
  /** The cloud is at it. */
  readonly waiting: readonly RequestedVolume[];
  /** The cloud has not done it. */
  readonly gaveUp: readonly RequestedVolume[];
  /** What was changed there is written here. */
  readonly taken: readonly { readonly id: string; readonly attached: boolean }[];
  /** Claims that mirror no volume of this tenant. While there are any nothing is detached: one of them may be meant for it. */
  readonly unknown: readonly string[];
}

type Fate =
  /** `isHere`: whether the disk is written here from now on; `isSynced`: whether both sides have it. */
  { readonly isHere: boolean; readonly isSynced: boolean; readonly change?: DiskChange['kind']; readonly waiting?: RequestedVolume; readonly gaveUp?: RequestedVolume; readonly taken?: boolean };

/** Who has changed the volumes of a server since both sides agreed, and so what is to be done with each of them. Pure. */
export function decideDisks({ there, here, synced, requested, nowMs }: DisksView): DisksDecision {
  const [written, attached] = [new Map<string, VolumeDisk>(), new Map(there.map((one) => [one.id, one]))];
  for (const { disk, volume } of here) if (volume !== undefined && !written.has(volume)) written.set(volume, disk);
  const unknown = here.flatMap(({ disk, volume }) => (volume === undefined ? [disk.persistentVolumeClaim] : []));
  const ids = [...new Set([...written.keys(), ...attached.keys(), ...requested.map(({ id }) => id)])];
  const fates = new Map(ids.map((id) => {
    const pending = requested.find((one) => one.id === id);
    const sides: Sides = { isHere: written.has(id), isThere: attached.has(id), wasBoth: synced?.includes(id), pending, isLate: pending !== undefined && nowMs - pending.sinceMs >= PATIENCE_MS, mayDetach: unknown.length === 0 };
    return [id, fateOf(sides)];
  }));
  const fits = (id: string | undefined): boolean => id === undefined || fates.get(id)?.isHere === true;
  const kept = here.filter(({ disk, volume }) => fits(volume) && (volume === undefined || written.get(volume) === disk)).map(({ disk }) => disk);
  const added = there.filter(({ id }) => !written.has(id) && fits(id));
  const entries = [...fates];
  return {
    disks: [...kept, ...disksFor(added, kept)],
    synced: entries.flatMap(([id, { isSynced }]) => (isSynced ? [id] : [])).sort(),
    changes: entries.flatMap(([id, { change: kind }]) => (kind === undefined ? [] : [{ kind, id, claim: written.get(id)?.persistentVolumeClaim ?? attached.get(id)?.claim ?? id }])),
    waiting: entries.flatMap(([, { waiting }]) => waiting ?? []),
    gaveUp: entries.flatMap(([, { gaveUp }]) => gaveUp ?? []),
    taken: synced === undefined ? [] : entries.flatMap(([id, { taken }]) => (taken === undefined ? [] : [{ id, attached: taken }])),
    unknown,
  };
}

interface Sides {
  readonly isHere: boolean;
  readonly isThere: boolean;
  readonly wasBoth: boolean | undefined;
  readonly pending: RequestedVolume | undefined;
  readonly isLate: boolean;
  readonly mayDetach: boolean;
}

function fateOf({ isHere, isThere, wasBoth, pending, isLate, mayDetach }: Sides): Fate {
  const going = pending === undefined || isLate ? undefined : pending;
  if (isHere === isThere) {
    // Whoever takes back what goes on still differs from it when it is done.
    return going === undefined || going.attached === isHere ? { isHere, isSynced: isHere } : { isHere, isSynced: going.attached, waiting: going };
  }
  if (pending?.attached === isHere) return going === undefined ? { isHere: isThere, isSynced: isThere, gaveUp: pending } : { isHere, isSynced: isHere, waiting: pending };
  if (isHere) return wasBoth === true ? { isHere: false, isSynced: false, taken: false } : { isHere, isSynced: false, change: 'attach' };
  if (wasBoth !== true) return { isHere: true, isSynced: true, taken: true };
  return mayDetach ? { isHere, isSynced: true, change: 'detach' } : { isHere, isSynced: true };
}
