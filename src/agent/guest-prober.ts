import type { CompiledProbe } from '../api/compiled-guest.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { ProbeLoop, type ProbeLoopOptions } from '../container/probes/loop.ts';
import { probe, type ProbeAction } from '../container/probes/probe.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { ObjectKey } from '../kube/object.ts';
import type { Hypervisor } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { GuestPing } from './guest-prober-ping.ts';
import type { GuestReadiness } from './guest-reporter.ts';
import { machineOf } from './guest-starter.ts';

export interface GuestProberOptions {
  readonly hypervisor: Hypervisor;
  readonly events: EventRecorder;
  /** What the probes of this anchor's guest say is another thing than before. */
  readonly onChange: (anchor: ObjectKey) => void;
  readonly clock: Clock;
  readonly log: Log;
}

interface Probed {
  readonly anchor: Anchor;
  address: string;
  readiness: GuestReadiness;
  /** Why the liveness probe failed, once it did. */
  failure?: string;
  readonly loops: ProbeLoop[];
}

/** Makes the probes of the guests that run on this node, from outside. What follows from them is others' to do. */
export class GuestProber implements Disposable {
  readonly #options: GuestProberOptions;
  readonly #ping: GuestPing;
  readonly #probed = new Map<ObjectKey, Probed>();

  constructor(options: GuestProberOptions) {
    this.#options = options;
    this.#ping = new GuestPing(options.hypervisor, options.clock);
  }

  /** The anchor's guest runs, at this address, since `startedAtMs`. May be said again at any time. */
  watch(anchor: Anchor, address: string, startedAtMs: number): void {
    const known = this.#probed.get(anchor.key);
    if (known !== undefined && known.anchor.uid === anchor.uid) {
      known.address = address;
      return;
    }
    this.forget(anchor.key);
    const { readiness, liveness } = anchor.guest.probes ?? {};
    if (readiness === undefined && liveness === undefined) return;
    const probed: Probed = { anchor, address, readiness: readiness === undefined ? 'ready' : 'unknown', loops: [] };
    this.#probed.set(anchor.key, probed);
    if (readiness !== undefined) this.#watchReadiness(probed, readiness, startedAtMs);
    if (liveness !== undefined) this.#watchLiveness(probed, liveness, startedAtMs);
  }

  /** The guest is paused, has ended, or is about to: it is not probed, and nothing is held against it. */
  forget(anchor: ObjectKey): void {
    for (const loop of this.#probed.get(anchor)?.loops ?? []) loop[Symbol.dispose]();
    this.#probed.delete(anchor);
  }

  /** Why the guest's liveness probe failed; undefined as long as it did not. */
  failureOf(anchor: Anchor): string | undefined {
    return this.#probed.get(anchor.key)?.failure;
  }

  /** A guest without a readiness probe of the agent's is ready. */
  readinessOf(anchor: Anchor): GuestReadiness {
    if (anchor.guest.probes?.readiness === undefined) return 'ready';
    return this.#probed.get(anchor.key)?.readiness ?? 'unknown';
  }

  [Symbol.dispose](): void {
    for (const anchor of this.#probed.keys()) this.forget(anchor);
  }

  #watchReadiness(probed: Probed, compiled: CompiledProbe, startedAtMs: number): void {
    const loop = this.#loop(probed, compiled, {
      startedAtMs,
      initially: undefined,
      onChange: ({ ok }) => {
        probed.readiness = ok ? 'ready' : 'unready';
        this.#options.onChange(probed.anchor.key);
      },
    });
    probed.loops.push(loop);
  }

  #watchLiveness(probed: Probed, compiled: CompiledProbe, startedAtMs: number): void {
    const { failureThreshold } = compiled.timing;
    const { anchor } = probed;
    const loop = this.#loop(probed, compiled, {
      startedAtMs,
      initially: true,
      onTry: ({ ok, message }, inRow) => {
        if (ok || inRow > 1) return;
        const outlook = failureThreshold === 1 ? '' : `; after ${failureThreshold} failures in a row the guest is ended`;
        this.#options.events.record(machineOf(anchor), { type: 'Warning', reason: 'Unhealthy', message: `liveness probe failed: ${message}${outlook}` });
      },
      onChange: ({ ok, message }) => {
        if (ok) return;
        probed.failure = message;
        loop[Symbol.dispose]();
        this.#options.onChange(anchor.key);
      },
    });
    probed.loops.push(loop);
  }

  #loop(probed: Probed, { action, timing }: CompiledProbe, rest: Pick<ProbeLoopOptions, 'startedAtMs' | 'initially' | 'onTry' | 'onChange'>): ProbeLoop {
    const { clock, log } = this.#options;
    const what = this.#actionOf(action, probed.anchor.guest.uid);
    return new ProbeLoop({ timing, clock, log, probe: (limits) => probe(what, { host: probed.address, ...limits }), ...rest });
  }

  #actionOf(action: CompiledProbe['action'], guest: string): ProbeAction {
    return action.kind === 'guestAgent' ? { kind: 'exec', run: (target) => this.#ping.ping(guest, target) } : action;
  }
}
