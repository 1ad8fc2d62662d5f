import type { GuestStatus } from '../api/guest-status.ts';
import { messageOf } from '../base/errors.ts';
import { formatBytes } from '../base/quantity.ts';
import type { CompiledDisk } from '../api/compiled-guest.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import { SEED_DISK, type Hypervisor, type LiveDisk } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { machineOf } from './guest-starter.ts';
import type { GuestVolumes } from './guest-volumes.ts';
import { VolumePendingError } from './published-volumes.ts';

export interface DiskPluggerOptions {
  readonly hypervisor: Hypervisor;
  readonly volumes: GuestVolumes;
  readonly events: EventRecorder;
}

type DiskReport = NonNullable<GuestStatus['disks']>[number];

/** `againMs`: something is still under way. */
export interface Plugged {
  readonly disks?: readonly DiskReport[];
  readonly againMs?: number;
}

/** To look at what was just done. */
const NEXT_MS = 50;
const SOON_MS = 200;
/** After something went wrong that will hardly mend itself. */
const LATER_MS = 10_000;

/** Makes the disks of a running guest those that its anchor says: plugs in, unplugs, lets it see growth. */
export class DiskPlugger {
  readonly #options: DiskPluggerOptions;
  /** What was true of an anchor's disks when all was done, by the anchor's uid. */
  readonly #settled = new Map<string, { readonly wanted: string; readonly result: Plugged }>();

  constructor(options: DiskPluggerOptions) {
    this.#options = options;
  }

  async settle(anchor: Anchor, signal: AbortSignal): Promise<Plugged> {
    const claims = anchor.guest.disks.filter(({ claim }) => claim !== undefined);
    const lost = claims.filter((disk) => this.#options.volumes.isLeaving(anchor, disk)).map(({ name }) => name);
    const wanted = JSON.stringify([anchor.guest.disks, lost]);
    const known = this.#settled.get(anchor.uid);
    if (known?.wanted === wanted) return known.result;
    const live = await this.#options.hypervisor.disks(anchor.guest.uid, signal);
    const reports: { readonly report: DiskReport; readonly againMs?: number }[] = await this.#unplug(anchor, live, lost, signal);
    for (const disk of claims) if (!lost.includes(disk.name)) reports.push(await this.#plug(anchor, disk, live.find(({ name }) => name === disk.name), signal));
    const againMs = Math.min(...reports.map((report) => report.againMs ?? Infinity));
    const disks = reports.map(({ report }) => report);
    const result: Plugged = { ...(disks.length === 0 ? {} : { disks }), ...(Number.isFinite(againMs) ? { againMs } : {}) };
    if (result.againMs === undefined) this.#settled.set(anchor.uid, { wanted, result });
    return result;
  }

  /** The guest is not as it was: its next settling looks at all of it. */
  forget(anchorUid: string): void {
    this.#settled.delete(anchorUid);
  }

  /** Disks that nobody wants any more, or whose volume goes. */
  async #unplug(anchor: Anchor, live: readonly LiveDisk[], lost: readonly string[], signal: AbortSignal): Promise<{ readonly report: DiskReport; readonly againMs?: number }[]> {
    const { hypervisor, events } = this.#options;
    const { guest } = anchor;
    const going = live.filter((disk) => disk.name !== SEED_DISK && (lost.includes(disk.name) || !guest.disks.some((other) => other.name === disk.name)));
    return Promise.all(going.map(async (disk) => {
      const claim = guest.disks.find((other) => other.name === disk.name)?.claim?.name ?? '';
      const known = { name: disk.name, claim, attached: true, sizeBytes: disk.sizeBytes };
      try {
        await hypervisor.detachDisk(guest.uid, disk.name, signal);
        if ((await hypervisor.disks(guest.uid, signal)).some((other) => other.name === disk.name)) return { report: { ...known, message: 'the guest has been asked to let go of it' }, againMs: SOON_MS };
        events.record(machineOf(anchor), { type: 'Normal', reason: 'DiskDetached', message: `disk ${disk.name} was taken from the running guest` });
        return { report: { ...known, attached: false, message: 'the guest has let go of it' }, againMs: NEXT_MS };
      } catch (error) {
        signal.throwIfAborted();
        return { report: { ...known, message: messageOf(error) }, againMs: LATER_MS };
      }
    }));
  }

  async #plug(anchor: Anchor, disk: CompiledDisk, live: LiveDisk | undefined, signal: AbortSignal): Promise<{ readonly report: DiskReport; readonly againMs?: number }> {
    const { hypervisor, volumes, events } = this.#options;
    const { guest: { uid } } = anchor;
    const report = { name: disk.name, claim: disk.claim?.name ?? '' };
    try {
      const wanted = await volumes.disk(anchor, disk, signal);
      const sizeBytes = await volumes.sizeBytes(disk, wanted);
      if (live === undefined) {
        await hypervisor.attachDisk(uid, wanted, signal);
        events.record(machineOf(anchor), { type: 'Normal', reason: 'DiskAttached', message: `disk ${disk.name} of claim ${report.claim} was plugged into the running guest` });
        return { report: { ...report, attached: true }, againMs: NEXT_MS };
      }
      if (live.sizeBytes >= sizeBytes) return { report: { ...report, attached: true, sizeBytes: live.sizeBytes } };
      await hypervisor.resizeDisk(uid, disk.name, sizeBytes, signal);
      events.record(machineOf(anchor), { type: 'Normal', reason: 'DiskGrown', message: `the guest sees ${formatBytes(sizeBytes)} of disk ${disk.name}` });
      return { report: { ...report, attached: true, sizeBytes } };
    } catch (error) {
      signal.throwIfAborted();
      const attached = live !== undefined;
      if (error instanceof VolumePendingError) return { report: { ...report, attached, message: error.message }, againMs: SOON_MS };
      const message = messageOf(error);
      events.record(machineOf(anchor), { type: 'Warning', reason: attached ? 'DiskNotGrown' : 'DiskNotAttached', message: `disk ${disk.name}: ${message}` });
      return { report: { ...report, attached, message }, againMs: LATER_MS };
    }
  }
}
