import { messageOf } from '../../base/errors.ts';
import { misfitOf } from './admission/admission.ts';
import { ContainerKiller } from './container-killer.ts';
import { ContainerStarter } from './container-starter.ts';
import { Evictor } from './eviction/evictor.ts';
import { Gate } from './gate.ts';
import { Housekeeping } from './housekeeping.ts';
import { LogRotation } from './log-rotation.ts';
import type { PodMaterials, Refusal } from './materials/port.ts';
import type { PodManifest } from './pod.ts';
import { PodEnder } from './pod-ender.ts';
import { PodStarter } from './pod-starter.ts';
import { PodWorker, type PodWorkerOptions } from './pod-worker.ts';
import type { KubeletContext, PodRunner } from './port.ts';
import { RuntimeView } from './runtime-view.ts';

/** Pods whose sandboxes, volumes and containers are made at the same time: more for each processor only make all of them late. */
const PODS_IN_MOTION_PER_CPU = 2;
const MOST_IN_MOTION = 16;
const RELIST_MOVING_MS = 1000;
const RELIST_IDLE_MS = 10_000;
/** After a change was told: events come in bunches, and may be ahead of what the runtime then answers. */
const ECHOES_MS = [10, 100, 500] as const;
const FIRST_HOUSEKEEPING_MS = 1000;
const HOUSEKEEPING_MS = 10_000;
/** Dead containers, volumes and files are looked at every so many rounds. */
const ROUNDS_TO_THOROUGH = 6;

/** Runs the pods of a node that has a container runtime and no kubelet, as a kubelet would. */
export class VirtualKubelet implements PodRunner {
  readonly #context: KubeletContext;
  readonly #options: PodWorkerOptions;
  readonly #housekeeping: Housekeeping;
  readonly #logs: LogRotation;
  readonly #evictor: Evictor;
  readonly #workers = new Map<string, PodWorker>();
  readonly #running = new Set<Promise<void>>();
  /** Told of before it was time to work. */
  readonly #waiting = new Map<string, PodManifest>();
  #signal: AbortSignal | undefined;
  #isSynced = false;
  #told = Promise.withResolvers<void>();
  /** When the runtime is to be asked again, in milliseconds since the epoch; the next first. */
  #echoes: readonly number[] = [];

  constructor(context: KubeletContext, materials: PodMaterials) {
    const view = new RuntimeView({ cri: context.cri, files: context.files, materials });
    const gate = new Gate(Math.min(PODS_IN_MOTION_PER_CPU * Math.max(Math.ceil(context.settings.allocatable.millicpu / 1000), 1), MOST_IN_MOTION));
    const killer = new ContainerKiller(context);
    const starter = new PodStarter({ context, materials, killer, gate, starter: new ContainerStarter({ context, materials, killer, gate }) });
    const ender = new PodEnder({ context, materials, killer });
    this.#context = context;
    this.#options = { context, materials, view, starter, ender, misfitOf: (pod) => this.#misfitOf(pod) };
    this.#housekeeping = new Housekeeping({ context, killer, ender });
    this.#logs = new LogRotation(context);
    this.#evictor = new Evictor({
      context,
      pods: () => [...this.#workers.values()].filter((worker) => worker.isActive).map(({ pod }) => pod),
      evict: ({ metadata: { uid = '' } }, eviction) => this.#workers.get(uid)?.evict(eviction),
      isLeaving: (uid) => this.#workers.get(uid)?.hasEnded === false,
    });
    view.onChange((uid) => this.#workers.get(uid)?.wake());
  }

  upsert(pod: PodManifest): void {
    const { uid = '' } = pod.metadata;
    const known = this.#workers.get(uid);
    if (known !== undefined) return known.upsert(pod);
    this.#waiting.set(uid, pod);
    this.#begin();
  }

  remove(pod: PodManifest): void {
    const { uid = '' } = pod.metadata;
    this.#waiting.delete(uid);
    const worker = this.#workers.get(uid);
    if (worker?.isFinished === true) this.#workers.delete(uid);
    else worker?.remove(pod);
  }

  markSynced(): void {
    this.#isSynced = true;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    const unlisten = this.#context.cri.onChange(() => this.#tell());
    this.#begin();
    try {
      await Promise.all([this.#watchRuntime(signal), this.#keepHouse(signal), this.#evictor.run(signal)]);
    } finally {
      unlisten();
      await Promise.all(this.#running);
    }
  }

  /** Lets those work who wait for it. */
  #begin(): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    for (const [uid, pod] of this.#waiting) {
      const worker = new PodWorker(this.#options, pod, signal);
      this.#workers.set(uid, worker);
      const running = this.#work(uid, worker).finally(() => void this.#running.delete(running));
      this.#running.add(running);
    }
    this.#waiting.clear();
  }

  async #work(uid: string, worker: PodWorker): Promise<void> {
    try {
      await worker.run();
    } catch (error) {
      this.#context.log.error({ pod: worker.pod.metadata.name, error: messageOf(error) }, 'the pod is not looked after any more');
    }
    if (worker.isRemoved) this.#workers.delete(uid);
  }

  /** Looks at the runtime when it tells of a change, every second while pods are in motion, and now and then. */
  async #watchRuntime(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    for (let lookedAtMs = -Infinity; !signal.aborted;) {
      const isMoving = [...this.#workers.values()].some((worker) => worker.isMoving);
      const now = clock.now();
      const dueMs = Math.min(this.#echoes[0] ?? Infinity, lookedAtMs + (isMoving ? RELIST_MOVING_MS : RELIST_IDLE_MS)) - now;
      if (dueMs > 0) {
        await this.#untilTold(Math.min(dueMs, RELIST_MOVING_MS), signal);
        continue;
      }
      this.#echoes = this.#echoes.filter((atMs) => atMs > now);
      lookedAtMs = now;
      await this.#options.view.refresh(signal).catch((error: unknown) => log.debug({ error: messageOf(error) }, 'the runtime does not answer'));
    }
  }

  #tell(): void {
    const now = this.#context.clock.now();
    const [next = Infinity] = this.#echoes;
    this.#echoes = [Math.min(next, now + ECHOES_MS[0]), ...ECHOES_MS.slice(1).map((ms) => now + ms)];
    this.#told.resolve();
  }

  async #untilTold(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    this.#told = Promise.withResolvers();
    await Promise.race([this.#told.promise, this.#context.clock.sleep(ms, AbortSignal.any([signal, over.signal])).catch(() => {})]);
    over.abort();
  }

  async #keepHouse(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const { view } = this.#options;
    for (let round = 0; !signal.aborted; round += 1) {
      await clock.sleep(round === 0 ? FIRST_HOUSEKEEPING_MS : HOUSEKEEPING_MS, signal).catch(() => {});
      if (signal.aborted) return;
      const isThorough = round % ROUNDS_TO_THOROUGH === 0;
      for (const uid of view.uids) await this.#inPeace(uid, () => this.#tidy(uid, isThorough, signal), signal);
      if (!isThorough) continue;
      for (const worker of this.#workers.values()) await this.#inPeace(worker.uid, () => worker.refreshVolumes(signal), signal);
      if (this.#isSynced) await this.#inPeace('', () => this.#removeForgotten(signal), signal);
    }
  }

  async #tidy(uid: string, isThorough: boolean, signal: AbortSignal): Promise<void> {
    const { view } = this.#options;
    if (this.#isKnown(uid)) {
      const observed = await view.known(uid, signal);
      await this.#logs.sweep(observed, signal);
      if (isThorough) await this.#housekeeping.tidy(observed, signal);
    } else if (this.#isSynced) await this.#housekeeping.bury(await view.observe(uid, signal), signal);
  }

  async #removeForgotten(signal: AbortSignal): Promise<void> {
    const { context, view } = this.#options;
    this.#logs.keep(view.containerIds);
    const uids = new Set(view.uids);
    for (const uid of await this.#housekeeping.forgottenFolders((name) => uids.has(name) || this.#isKnown(name), signal)) {
      if (this.#isKnown(uid)) continue;
      context.log.info({ uid }, 'files of a pod that is gone are removed');
      await this.#housekeeping.bury({ uid, sandboxes: [], containers: [] }, signal);
    }
  }

  #misfitOf(pod: PodManifest): Refusal | undefined {
    const node = this.#context.node();
    const others = [...this.#workers.values()].filter(({ uid, takesRoom }) => takesRoom && uid !== pod.metadata.uid);
    return node === undefined ? undefined : misfitOf(pod, node, others.map((worker) => worker.pod));
  }

  #isKnown(uid: string): boolean {
    return this.#workers.has(uid) || this.#waiting.has(uid);
  }

  /** What goes wrong with one pod is tried again in the next round. */
  async #inPeace(uid: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) this.#context.log.debug({ uid, error: messageOf(error) }, 'housekeeping is put off');
    }
  }
}
