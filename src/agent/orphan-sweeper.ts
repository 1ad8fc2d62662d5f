import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Pod } from '../kube/core.ts';
import type { Informer } from '../kube/informer.ts';
import type { NodeNetwork } from '../network/port.ts';
import type { DiskStore, Hypervisor } from '../vm/port.ts';
import { anchorOf, isHeld, machineOfFolder, type Anchor } from './anchor.ts';
import type { MachineLookup, MachineRef } from './machine-lookup.ts';

export interface OrphanSweeperOptions {
  readonly pods: Informer<Pod>;
  readonly machines: MachineLookup;
  readonly hypervisor: Hypervisor;
  readonly network: NodeNetwork;
  readonly disks: DiskStore;
  /** Told of the machines that have disks here and no anchor: nobody else says when they are deleted. */
  readonly onStopped: (machines: readonly MachineRef[]) => void;
  readonly log: Log;
}

/** How long an orphan may take to shut down. */
const GRACE_MS = 20_000;

/**
 * Removes what nobody owns any more: guests and taps without an anchor (it was removed by force, or with its Node),
 * and disks of machines that no longer exist. Runs only when the cache is complete: an unknown world owns everything.
 */
export class OrphanSweeper {
  readonly #options: OrphanSweeperOptions;
  readonly #askedAt = new Map<string, number>();

  constructor(options: OrphanSweeperOptions) {
    this.#options = options;
  }

  /** True when something is still on its way out, so that another sweep is due soon. */
  async sweep(signal: AbortSignal): Promise<boolean> {
    if (!this.#options.pods.hasSynced) return true;
    const pending = await this.#sweepGuests(signal);
    await this.#sweepTaps();
    await this.#sweepDisks(signal);
    return pending;
  }

  /** Anchors as they are known now: asked for after each look at the host, so that what was just made is not an orphan. */
  #anchors(): readonly Anchor[] {
    return this.#options.pods.list().map(anchorOf).filter((anchor) => anchor !== undefined);
  }

  async #sweepGuests(signal: AbortSignal): Promise<boolean> {
    const { hypervisor, log } = this.#options;
    let pending = false;
    for (const { id, name, state } of await hypervisor.list(signal)) {
      if (this.#anchors().some(({ guest, pod }) => guest.uid === id && isHeld(pod))) {
        this.#askedAt.delete(id);
        continue;
      }
      const askedAt = this.#askedAt.get(id) ?? Date.now();
      this.#askedAt.set(id, askedAt);
      if (state.phase === 'running' && !state.paused && Date.now() - askedAt < GRACE_MS) {
        log.warn({ guest: name }, 'a guest without an anchor is shut down');
        await hypervisor.shutdown(id, signal);
        pending = true;
      } else {
        await hypervisor.remove(id, signal);
        this.#askedAt.delete(id);
      }
    }
    return pending;
  }

  async #sweepTaps(): Promise<void> {
    const keep = new Set<string>();
    // Grows while the network looks: a guest may be started meanwhile.
    const end = this.#options.pods.onChange(({ object }) => {
      const anchor = anchorOf(object);
      if (anchor !== undefined) keep.add(anchor.key);
    });
    try {
      await this.#options.network.prune(keep);
    } finally {
      end();
    }
  }

  async #sweepDisks(signal: AbortSignal): Promise<void> {
    const { disks, machines, log } = this.#options;
    const stopped: MachineRef[] = [];
    for (const folder of await disks.guests()) {
      const machine = machineOfFolder(folder);
      if (machine === undefined || this.#anchors().some((anchor) => anchor.folder === folder)) continue;
      if (!(await machines.isGoing(machine, signal))) {
        stopped.push(machine);
        continue;
      }
      await disks.remove(folder).catch((error: unknown) => log.warn({ folder, error: messageOf(error) }, 'disks of a deleted machine were not removed'));
    }
    this.#options.onStopped(stopped);
  }
}
