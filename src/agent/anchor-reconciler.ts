import type { Log } from '../base/log.ts';
import type { Clock } from '../base/clock.ts';
import { timestamp } from '../kube/conditions.ts';
import type { Reconcile, Result } from '../kube/controller.ts';
import type { Pod } from '../kube/core.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import { isDeleting, type ObjectKey } from '../kube/object.ts';
import type { GuestEndpoint } from '../network/port.ts';
import type { GuestState, Hypervisor, HypervisorInfo } from '../vm/port.ts';
import { anchorOf, isHeld, type Anchor } from './anchor.ts';
import type { ConsoleForwarders } from './console-forwarders.ts';
import type { DiskPlugger } from './disk-plugger.ts';
import type { GuestNodes } from './guest-nodes.ts';
import type { GuestProber } from './guest-prober.ts';
import type { GuestReporter } from './guest-reporter.ts';
import { machineOf, type GuestStarter } from './guest-starter.ts';
import { replug } from './guest-link.ts';
import type { GuestStopper } from './guest-stopper.ts';
import { osNameOf } from './guest-system.ts';
import type { MachineLookup } from './machine-lookup.ts';

export interface AnchorReconcilerOptions {
  /** Pods bound to this node. */
  readonly pods: Informer<Pod>;
  readonly machines: MachineLookup;
  readonly hypervisor: Hypervisor;
  readonly starter: GuestStarter;
  readonly stopper: GuestStopper;
  readonly plugger: DiskPlugger;
  readonly reporter: GuestReporter;
  readonly prober: GuestProber;
  readonly guestNodes: GuestNodes;
  readonly consoles: ConsoleForwarders;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

interface Running {
  readonly endpoint: GuestEndpoint;
  osName?: string;
  /** How often the guest agent was asked what runs there. */
  asked: number;
}

const MOST_QUESTIONS = 5;
const ASK_AGAIN_MS = 500;
/** Reason of the guest's end. */
const LIVENESS_FAILED = 'LivenessFailed';

/** Makes the guest of each anchor on this node what the anchor says, and reports what it sees. */
export class AnchorReconciler {
  readonly #options: AnchorReconcilerOptions;
  /** Guests whose network this process has made or found again, by the anchor's uid. */
  readonly #running = new Map<string, Running>();
  /** Anchors whose place on the network must be asked for anew. */
  readonly #moved = new Set<ObjectKey>();
  #info: HypervisorInfo | undefined;

  constructor(options: AnchorReconcilerOptions) {
    this.#options = options;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const pod = this.#options.pods.get(key);
    const anchor = pod === undefined ? undefined : anchorOf(pod);
    if (anchor === undefined || isDeleting(anchor.pod)) this.#options.prober.forget(key);
    if (anchor === undefined) return;
    if (!isHeld(anchor.pod)) return isDeleting(anchor.pod) ? this.#options.stopper.endContainer(anchor, signal) : undefined;
    const state = await this.#options.hypervisor.get(anchor.guest.uid, signal);
    return isDeleting(anchor.pod) ? this.#end(anchor, state, signal) : this.#run(anchor, state, signal);
  };

  /** The anchor's place on the network may be another one now; its next reconcile asks for it. */
  reconnect(anchor: ObjectKey): void {
    this.#moved.add(anchor);
  }

  async #run(anchor: Anchor, state: GuestState, signal: AbortSignal): Promise<Result | void> {
    const { prober, guestNodes } = this.#options;
    if (state.phase === 'running') {
      const failure = state.paused ? undefined : prober.failureOf(anchor);
      return failure === undefined ? this.#reportRunning(anchor, state, signal) : this.#endUnhealthy(anchor, failure, signal);
    }
    prober.forget(anchor.key);
    await guestNodes.gone(anchor);
    if (this.#hasEnded(anchor)) return;
    if (state.phase === 'stopped' && state.reason !== 'unknown' && state.reason !== 'failed') return this.#reportEnd(anchor, state.reason, signal);
    // Never a second run under one anchor: what was reported ended stays ended, also after a crash of agent or node.
    const stored = await this.#options.reporter.stored(anchor, signal);
    if (stored?.phase === 'Stopped' || stored?.phase === 'Failed') return;
    return this.#start(anchor, signal);
  }

  async #start(anchor: Anchor, signal: AbortSignal): Promise<Result | undefined> {
    const { starter, reporter, events, hypervisor } = this.#options;
    const result = await starter.start(anchor, signal);
    if (result.kind === 'waiting') return result.againMs === undefined ? undefined : { requeueAfterMs: result.againMs };
    if (result.kind === 'failed') {
      events.record(machineOf(anchor), { type: 'Warning', reason: result.reason, message: result.message });
      await reporter.report(anchor, { phase: 'Failed', reason: result.reason, message: result.message, stoppedAt: this.#now() }, signal);
      return undefined;
    }
    this.#running.set(anchor.uid, { endpoint: result.endpoint, asked: 0 });
    const state = await hypervisor.get(anchor.guest.uid, signal);
    return state.phase === 'running' ? this.#reportRunning(anchor, state, signal) : undefined;
  }

  async #reportRunning(anchor: Anchor, state: GuestState & { phase: 'running' }, signal: AbortSignal): Promise<Result | undefined> {
    const { reporter, consoles, hypervisor, prober, guestNodes, plugger } = this.#options;
    const running = await this.#connected(anchor, signal);
    guestNodes.running(anchor, running.endpoint.address);
    await consoles.open(anchor);
    const asking = state.agentConnected && running.osName === undefined && running.asked < MOST_QUESTIONS;
    if (asking) {
      running.asked += 1;
      const osName = await osNameOf(hypervisor, anchor.guest.uid, signal);
      if (osName !== undefined) running.osName = osName;
    }
    // A connected agent may need a moment to answer; both facts are then told in one report.
    const waiting = asking && running.osName === undefined && running.asked < MOST_QUESTIONS;
    this.#info ??= await hypervisor.info();
    const { disks, againMs } = await plugger.settle(anchor, signal);
    const startedAt = state.startedAt === undefined ? (reporter.last(anchor) ?? await reporter.stored(anchor, signal))?.startedAt ?? this.#now() : timestamp(state.startedAt);
    if (state.paused) prober.forget(anchor.key);
    else prober.watch(anchor, running.endpoint.address, Date.parse(startedAt));
    await reporter.report(anchor, {
      phase: state.paused ? 'Paused' : 'Running',
      address: running.endpoint.address,
      macAddress: running.endpoint.macAddress,
      acceleration: this.#info.acceleration,
      agentConnected: state.agentConnected && !waiting,
      ...(running.osName === undefined ? {} : { osName: running.osName }),
      ...(disks === undefined ? {} : { disks: [...disks] }),
      startedAt,
    }, signal, prober.readinessOf(anchor));
    const nextMs = Math.min(waiting ? ASK_AGAIN_MS : Infinity, againMs ?? Infinity);
    return Number.isFinite(nextMs) ? { requeueAfterMs: nextMs } : undefined;
  }

  /** The running guest with its place on the network; a guest that has another address than it was told is told to ask again. */
  async #connected(anchor: Anchor, signal: AbortSignal): Promise<Running> {
    const { reporter, starter, hypervisor, clock } = this.#options;
    const known = this.#running.get(anchor.uid);
    if (known !== undefined && !this.#moved.has(anchor.key)) return known;
    this.#moved.delete(anchor.key);
    try {
      const former = known?.endpoint.address ?? (await reporter.stored(anchor, signal))?.address;
      const endpoint = await starter.connect(anchor, signal);
      if (former !== undefined && former !== endpoint.address) await replug(hypervisor, anchor.guest.uid, endpoint.macAddress, clock, signal);
      const running: Running = { asked: 0, ...known, endpoint };
      this.#running.set(anchor.uid, running);
      return running;
    } catch (error) {
      this.#moved.add(anchor.key);
      throw error;
    }
  }

  /** Said first and done then, so that an agent that takes over in between knows why the guest has ended. */
  async #endUnhealthy(anchor: Anchor, failure: string, signal: AbortSignal): Promise<void> {
    const { reporter, hypervisor } = this.#options;
    const last = reporter.last(anchor) ?? await reporter.stored(anchor, signal);
    await reporter.report(anchor, { phase: 'Stopping', reason: LIVENESS_FAILED, message: `the guest was ended, since its liveness probe failed: ${failure}`, ...kept(last) }, signal);
    await hypervisor.destroy(anchor.guest.uid, signal);
    await this.#reportEnd(anchor, 'destroyed', signal);
  }

  async #reportEnd(anchor: Anchor, how: 'shutdown' | 'destroyed' | 'crashed', signal: AbortSignal): Promise<void> {
    const { reporter, events } = this.#options;
    const last = reporter.last(anchor) ?? await reporter.stored(anchor, signal);
    const { reason, message, event } = endOf(how, last);
    await reporter.report(anchor, { phase: 'Stopped', reason, message, ...kept(last), stoppedAt: this.#now() }, signal);
    events.record(machineOf(anchor), { type: how === 'shutdown' ? 'Normal' : 'Warning', reason: event, message });
  }

  async #end(anchor: Anchor, state: GuestState, signal: AbortSignal): Promise<Result | void> {
    const { stopper, reporter, starter, guestNodes, plugger } = this.#options;
    starter.abandon(anchor);
    plugger.forget(anchor.uid);
    const again = await stopper.stop(anchor, state, signal);
    if (again !== undefined) return again;
    if (!this.#hasEnded(anchor)) {
      const last = reporter.last(anchor) ?? await reporter.stored(anchor, signal).catch(() => undefined);
      // Of a machine that is going itself nobody reads it any more.
      if (last !== undefined && last.phase !== 'Stopped' && last.phase !== 'Failed' && !(await this.#isMachineGoing(anchor, signal))) {
        await reporter.report(anchor, { phase: 'Stopped', reason: 'Requested', message: 'the guest was stopped on request', ...kept(last), stoppedAt: this.#now() }, signal);
      }
    }
    await guestNodes.gone(anchor);
    await stopper.release(anchor, signal);
    this.#running.delete(anchor.uid);
    this.#moved.delete(anchor.key);
    reporter.forget(anchor);
    this.#options.log.info({ anchor: anchor.key }, 'guest is gone');
  }

  #hasEnded(anchor: Anchor): boolean {
    const phase = this.#options.reporter.last(anchor)?.phase;
    return phase === 'Stopped' || phase === 'Failed';
  }

  #isMachineGoing({ namespace, guest: { name, uid } }: Anchor, signal: AbortSignal): Promise<boolean> {
    return this.#options.machines.isGoing({ namespace, name, uid }, signal);
  }

  #now(): string {
    return timestamp(this.#options.clock.now());
  }
}

/** What is said of a guest that has ended by itself, or was ended; `last` is the report before. */
function endOf(how: 'shutdown' | 'destroyed' | 'crashed', last: { readonly reason?: string; readonly message?: string } | undefined): { readonly reason: string; readonly message: string; readonly event: string } {
  if (how === 'shutdown') return { reason: 'Shutdown', message: 'the guest powered off', event: 'GuestPoweredOff' };
  if (how === 'crashed') return { reason: 'Crashed', message: 'the guest or its QEMU crashed', event: 'GuestCrashed' };
  if (last?.reason === LIVENESS_FAILED) return { reason: LIVENESS_FAILED, message: last.message ?? '', event: LIVENESS_FAILED };
  return { reason: 'Crashed', message: 'the guest was ended by somebody on its node', event: 'GuestCrashed' };
}

/** What stays true of a guest that has ended. */
function kept(last: { readonly address?: string; readonly macAddress?: string; readonly startedAt?: string } | undefined): { address?: string; macAddress?: string; startedAt?: string } {
  return {
    ...(last?.address === undefined ? {} : { address: last.address }),
    ...(last?.macAddress === undefined ? {} : { macAddress: last.macAddress }),
    ...(last?.startedAt === undefined ? {} : { startedAt: last.startedAt }),
  };
}
