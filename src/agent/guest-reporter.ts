import { isDeepStrictEqual } from 'node:util';
import { CONDITION_GUEST } from '../api/group.ts';
import type { GuestStatus } from '../api/guest-status.ts';
import type { Clock } from '../base/clock.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { conditionOf, timestamp } from '../kube/conditions.ts';
import { pods } from '../kube/core.ts';
import { virtualMachines } from '../kube/yadokari.ts';
import type { Anchor } from './anchor.ts';

export interface GuestReporterOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly clock: Clock;
}

/** What the reporter fills in by itself. */
export type GuestReport = Omit<GuestStatus, 'anchor' | 'anchorUID' | 'node'>;

/** What the agent's own readiness probe says of a running guest; `unknown`: it has not tried often enough. */
export type GuestReadiness = 'ready' | 'unready' | 'unknown';

const FIELD_MANAGER = 'yadokari-agent';
const CACHE_LAG_MS = 5000;

/** Writes what is seen of guests: status.guest of the VirtualMachine and the readiness gate of its anchor; only changes are written. */
export class GuestReporter {
  readonly #options: GuestReporterOptions;
  readonly #written = new Map<string, GuestStatus>();
  readonly #gates = new Map<string, { readonly status: string; readonly at: number }>();

  constructor(options: GuestReporterOptions) {
    this.#options = options;
  }

  /** What was reported last of this anchor by this process. */
  last(anchor: Anchor): GuestStatus | undefined {
    return this.#written.get(anchor.uid);
  }

  /** While the readiness of a running guest is unknown its gate stays as it is. */
  async report(anchor: Anchor, report: GuestReport, signal: AbortSignal, readiness: GuestReadiness = 'ready'): Promise<void> {
    const status: GuestStatus = { ...report, anchor: anchor.name, anchorUID: anchor.uid, node: this.#options.node };
    await Promise.all([this.#writeStatus(anchor, status, signal), this.#writeGate(anchor, status, readiness, signal)]);
  }

  forget(anchor: Anchor): void {
    this.#written.delete(anchor.uid);
    this.#gates.delete(anchor.uid);
  }

  /** What the API holds of this anchor's guest, from whichever process reported it. */
  async stored(anchor: Anchor, signal: AbortSignal): Promise<GuestStatus | undefined> {
    const vm = await this.#options.client.get(virtualMachines, { namespace: anchor.namespace, name: anchor.guest.name }, signal);
    const guest = vm.metadata.uid === anchor.guest.uid ? vm.status?.guest : undefined;
    return guest?.anchorUID === anchor.uid ? guest : undefined;
  }

  async #writeStatus(anchor: Anchor, status: GuestStatus, signal: AbortSignal): Promise<void> {
    if (isDeepStrictEqual(this.#written.get(anchor.uid), status)) return;
    // The uid keeps a report from reaching a machine that was made anew under the same name.
    const metadata = { name: anchor.guest.name, namespace: anchor.namespace, uid: anchor.guest.uid };
    try {
      await this.#options.client.apply(virtualMachines, { metadata, status: { guest: status } }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#written.set(anchor.uid, status);
  }

  async #writeGate(anchor: Anchor, guest: GuestStatus, readiness: GuestReadiness, signal: AbortSignal): Promise<void> {
    const running = guest.phase === 'Running';
    if (running && readiness === 'unknown') return;
    const status = running && readiness === 'ready' ? 'True' : 'False';
    const known = conditionOf(anchor.pod.status?.conditions, CONDITION_GUEST);
    if ((known?.status ?? 'False') === status) return;
    // The cache may not show yet what was just written.
    const last = this.#gates.get(anchor.uid);
    if (last?.status === status && this.#options.clock.now() - last.at < CACHE_LAG_MS) return;
    const condition = { type: CONDITION_GUEST, status, ...whyOf(guest, readiness), lastTransitionTime: timestamp(this.#options.clock.now()) };
    try {
      await this.#options.client.patch(pods, { namespace: anchor.namespace, name: anchor.name }, { status: { conditions: [condition] } }, { subresource: 'status', type: 'strategic', signal });
      this.#gates.set(anchor.uid, { status, at: this.#options.clock.now() });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function whyOf({ phase, message }: GuestStatus, readiness: GuestReadiness): { readonly reason: string; readonly message: string } {
  if (phase !== 'Running') return { reason: phase, message: message ?? `the guest is ${phase.toLowerCase()}` };
  return readiness === 'ready' ? { reason: phase, message: 'the guest runs' } : { reason: 'ReadinessProbeFailed', message: 'the guest runs; its readiness probe fails' };
}
