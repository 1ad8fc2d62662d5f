import { messageOf } from '../../base/errors.ts';
import { isDeleting } from '../../kube/object.ts';
import { secondsOf, type WaitingReason } from './container-statuses.ts';
import { CrashBackoff } from './crash-backoff.ts';
import type { Eviction } from './eviction/port.ts';
import { definitionHash } from './labels.ts';
import type { PodMaterials, Refusal } from './materials/port.ts';
import { mayRun, usableSandbox, type ObservedPod } from './observation.ts';
import type { PodManifest, PodStatusReport } from './pod.ts';
import { PodProbes } from './pod-probes.ts';
import type { PodEnder } from './pod-ender.ts';
import { withVolumesFromApi, type PodMemory, type PodStarter } from './pod-starter.ts';
import type { KubeletContext } from './port.ts';
import { qosClassOf } from './qos.ts';
import { containersOf } from './restart.ts';
import { Resizes } from './resizes.ts';
import type { RuntimeView } from './runtime-view.ts';
import { StepLoop, type StepSignals } from './step-loop.ts';
import { isOver, lastStatusOf, statusOf, statusWhileEnding } from './status.ts';
import { StatusReporter } from './status-reporter.ts';

export interface PodWorkerOptions {
  readonly context: KubeletContext;
  readonly materials: PodMaterials;
  readonly view: RuntimeView;
  readonly starter: PodStarter;
  readonly ender: PodEnder;
  /** Why the pod cannot be on this node beside those that are. */
  readonly misfitOf: (pod: PodManifest) => Refusal | undefined;
}

const EVICTED = 'Evicted';
const EVICTION_GRACE_SECONDS = 1;
const DEADLINE = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' };

/** Does what one pod needs, one step after the other, each from what the API and the runtime have. */
export class PodWorker {
  readonly #options: PodWorkerOptions;
  readonly #loop: StepLoop;
  readonly #reporter: StatusReporter;
  readonly #memory: PodMemory;
  #pod: PodManifest;
  #removed = false;
  /** Nothing runs any more, and nothing will. */
  #ended = false;
  #finished = false;
  /** It has been found fit for this node, by this process or one before it. */
  #admitted: boolean;
  /** The next step has to ask the runtime, since the last one may have left something behind. */
  #unsure: boolean;
  #failure: WaitingReason | undefined;
  #eviction: Eviction | undefined;

  constructor(options: PodWorkerOptions, pod: PodManifest, signal: AbortSignal) {
    this.#options = options;
    this.#pod = pod;
    this.#loop = new StepLoop({ step: (signals) => this.#step(signals), onFailure: (error) => this.#fail(error), clock: options.context.clock, signal });
    this.#admitted = pod.status?.startTime !== undefined;
    this.#unsure = !options.view.isKnown;
    this.#reporter = new StatusReporter(options.context, pod.status, signal);
    this.#memory = { backoff: new CrashBackoff(), probes: new PodProbes(options.context, () => this.wake()), resizes: new Resizes(pod), reasons: new Map(), notBefore: new Map() };
  }

  get uid(): string {
    return this.#pod.metadata.uid ?? '';
  }

  /** Something is being done, or is to be done before long. */
  get isMoving(): boolean {
    return this.#loop.isStepping || this.#reporter.last.phase === 'Pending';
  }

  /** Nothing of the pod is left here, and the API has been told so. */
  get isFinished(): boolean {
    return this.#finished;
  }

  /** Nothing of the pod runs any more, and what was to be cleared away has been. */
  get hasEnded(): boolean {
    return this.#ended || this.#finished;
  }

  get isRemoved(): boolean {
    return this.#removed;
  }

  /** It runs, or is about to. */
  get isActive(): boolean {
    return !this.#ended && !this.#removed && this.#failure === undefined && !isDeleting(this.#pod) && !isOver(this.#pod.status?.phase) && !isOver(this.#reporter.last.phase);
  }

  /** It takes room on the node, also while it ends. */
  get takesRoom(): boolean {
    return this.#admitted && !this.#ended && !this.#finished && !this.#removed && !isOver(this.#pod.status?.phase);
  }

  get pod(): PodManifest {
    return this.#pod;
  }

  /** Looks at the pod again. */
  wake(): void {
    this.#loop.wake();
  }

  upsert(pod: PodManifest): void {
    const before = this.#pod;
    this.#pod = pod;
    const grace = (of: PodManifest): number => (isDeleting(of) ? of.metadata.deletionGracePeriodSeconds ?? 0 : Infinity);
    if (before.metadata.generation !== pod.metadata.generation) this.#memory.notBefore.clear();
    if (grace(pod) < grace(before)) this.#loop.interrupt();
    else if (before.metadata.generation !== pod.metadata.generation) this.#loop.urge();
    else this.wake();
  }

  /** The API has the pod no more. */
  remove(pod: PodManifest): void {
    this.#pod = pod;
    this.#removed = true;
    this.#loop.interrupt();
  }

  /** Works until nothing is left to do for the pod, or the signal aborts. */
  async run(): Promise<void> {
    try {
      await this.#loop.run();
    } finally {
      this.#memory.probes[Symbol.dispose]();
    }
  }

  /** Ends the pod for good, with hardly any time to do so. */
  evict(eviction: Eviction): void {
    if (!this.isActive) return;
    this.#eviction = eviction;
    this.#failure = { reason: EVICTED, message: eviction.message };
    this.#options.context.event(this.#pod, { type: 'Warning', reason: EVICTED, message: eviction.message });
    this.#loop.interrupt();
  }

  /** Brings volumes that show what is in the API up to date. */
  async refreshVolumes(signal: AbortSignal): Promise<void> {
    if (this.#ended || this.#loop.isStepping || this.#removed || isDeleting(this.#pod)) return;
    const shown = withVolumesFromApi(this.#pod);
    if ((shown.spec.volumes ?? []).length > 0) await this.#options.materials.ensureVolumes(shown, signal);
  }

  #fail(error: unknown): void {
    this.#unsure = true;
    this.#options.context.log.debug({ pod: this.#pod.metadata.name, error: messageOf(error) }, 'the pod could not be taken further');
  }

  async #step(signals: StepSignals): Promise<number | undefined | 'done'> {
    const { view } = this.#options;
    const observed = await (this.#unsure ? view.observe(this.uid, signals.signal) : view.known(this.uid, signals.signal));
    if (this.#unsure) this.#seed(observed);
    this.#unsure = false;
    if (this.#ended && !this.#removed && !isDeleting(this.#pod) && !mayRun(observed)) return undefined;
    if (this.#removed || this.#ended) return this.#end(observed, signals);
    this.#probe(observed);
    if (this.#isRefused(observed)) return this.#end(observed, signals);
    const leftMs = this.#judge();
    const status = this.#status(observed, false);
    if (isDeleting(this.#pod) || isOver(this.#pod.status?.phase) || isOver(status.phase)) return this.#end(observed, signals);
    this.#reporter.report(this.#pod, status);
    const { acted, againMs } = await this.#options.starter.advance(this.#pod, observed, this.#memory, signals);
    if (acted) await this.#look(signals.signal);
    return earliest(againMs, leftMs, this.#reporter.repeatIfOverwritten(this.#pod));
  }

  /** What has come of the step. */
  async #look(signal: AbortSignal): Promise<void> {
    const observed = await this.#options.view.observe(this.uid, signal).catch((error: unknown) => {
      this.#unsure = true;
      throw error;
    });
    this.#probe(observed);
    const status = this.#status(observed, false);
    if (isOver(status.phase)) this.wake();
    else this.#reporter.report(this.#pod, status);
  }

  #probe(observed: ObservedPod): void {
    this.#memory.probes.sync(this.#pod, observed, usableSandbox(observed)?.address ?? '');
    this.#memory.resizes.keep(new Set(observed.containers.map(({ id }) => id)));
  }

  /** Counts restarts that were before this process. */
  #seed(observed: ObservedPod): void {
    for (const container of containersOf(this.#pod)) {
      const newest = observed.containers.find(({ name }) => name === container.name);
      if (newest !== undefined) this.#memory.backoff.seed(`${container.name} ${definitionHash(container)}`, newest.restartCount, Math.min(Math.max(newest.startedAtMs, newest.finishedAtMs), this.#options.context.clock.now()));
    }
  }

  /** Whether this node does not run such pods; said before anything of it is made. */
  #isRefused(observed: ObservedPod): boolean {
    if (observed.sandboxes.length > 0) this.#admitted = true;
    if (observed.sandboxes.length > 0 || isOver(this.#pod.status?.phase) || isDeleting(this.#pod)) return false;
    const { context, materials, misfitOf } = this.#options;
    const refusal = materials.refusalOf(this.#pod) ?? (this.#admitted ? undefined : misfitOf(this.#pod));
    if (refusal === undefined) {
      this.#admitted = true;
      return false;
    }
    const { generation } = this.#pod.metadata;
    context.event(this.#pod, { type: 'Warning', ...refusal });
    this.#reporter.report(this.#pod, { ...(generation === undefined ? {} : { observedGeneration: generation }), phase: 'Failed', reason: refusal.reason, message: `Pod was rejected: ${refusal.message}`, qosClass: qosClassOf(this.#pod), startTime: this.#reporter.last.startTime ?? secondsOf(context.clock.now()) });
    return true;
  }

  /** Fails a pod whose time is over; milliseconds that are left to it. */
  #judge(): number | undefined {
    const { activeDeadlineSeconds } = this.#pod.spec;
    const { startTime } = this.#reporter.last;
    if (activeDeadlineSeconds === undefined || startTime === undefined || this.#failure !== undefined) return undefined;
    const leftMs = Date.parse(startTime) + activeDeadlineSeconds * 1000 - this.#options.context.clock.now();
    if (leftMs > 0) return leftMs;
    this.#failure = DEADLINE;
    this.#options.context.event(this.#pod, { type: 'Normal', ...DEADLINE });
    return undefined;
  }

  #status(observed: ObservedPod, over: boolean): PodStatusReport {
    const { context: { settings, clock } } = this.#options;
    const { reasons, probes, resizes } = this.#memory;
    return statusOf({
      pod: this.#pod,
      observed,
      before: this.#reporter.last,
      reasons,
      readiness: probes,
      resizes,
      hostAddress: settings.hostAddress,
      nowMs: clock.now(),
      over,
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
      ...(this.#eviction?.isDisruption === true ? { disruption: this.#eviction.message } : {}),
    });
  }

  /** The pod, with the time that an eviction leaves it. */
  #inHaste(): PodManifest {
    if (this.#eviction === undefined || isDeleting(this.#pod)) return this.#pod;
    return { ...this.#pod, spec: { ...this.#pod.spec, terminationGracePeriodSeconds: EVICTION_GRACE_SECONDS } };
  }

  /** Ends what runs, says so, and removes what is not needed any more: everything, when the pod is to go. */
  async #end(observed: ObservedPod, { interrupt, signal }: StepSignals): Promise<undefined | 'done'> {
    const { ender, view } = this.#options;
    const { probes } = this.#memory;
    const known = !mayRun(observed) && (isOver(this.#pod.status?.phase) || isOver(this.#reporter.last.phase));
    probes.endLivenessAndStartup();
    if (!known && !this.#removed && mayRun(observed)) this.#reporter.report(this.#pod, statusWhileEnding(this.#status(observed, false), this.#reporter.last));
    await ender.stop(this.#inHaste(), observed, interrupt);
    const stopped = !mayRun(observed) ? observed : await view.observe(this.uid, signal);
    if (mayRun(stopped)) throw new Error('something of the pod still runs');
    probes[Symbol.dispose]();
    if (!known && !this.#removed) this.#reporter.report(this.#pod, lastStatusOf(this.#pod, this.#status(stopped, true)));
    if (!this.#removed && !isDeleting(this.#pod)) {
      await ender.release(this.#pod, interrupt);
      if (this.#reporter.last.reason === EVICTED) await ender.clear(this.#pod, stopped, interrupt);
      this.#ended = true;
      return undefined;
    }
    await ender.removeAll(this.uid, stopped, signal);
    if (!this.#removed) {
      await this.#reporter.flush();
      await this.#options.context.statuses.finish(this.#pod, signal);
    }
    this.#finished = true;
    return 'done';
  }
}

function earliest(...delays: readonly (number | undefined)[]): number | undefined {
  const given = delays.filter((ms) => ms !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}
