import { messageOf } from '../../../base/errors.ts';
import type { PodManifest } from '../pod.ts';
import type { KubeletContext } from '../port.ts';
import { excessOf, hasDiskLimit } from './limits.ts';
import type { Eviction, Shortage } from './port.ts';
import { shortagesOf } from './shortages.ts';
import { UnusedImages } from './unused-images.ts';
import { usageOf, type PodUsage } from './usage.ts';
import { isEvictable, victimOf } from './victim.ts';

export interface EvictorOptions {
  readonly context: KubeletContext;
  /** Pods that run, or are about to. */
  readonly pods: () => readonly PodManifest[];
  /** Begins to end the pod for good; it is none of `pods` from then on. */
  readonly evict: (pod: PodManifest, eviction: Eviction) => void;
  /** Whether anything of a pod that had to go is still there. */
  readonly isLeaving: (uid: string) => boolean;
}

/** As often as a kubelet. */
const LOOK_MS = 10_000;
/** What one pod leaves behind may be enough: so long the next one is not chosen. As with a kubelet. */
const LEAVING_MS = 30_000;

/** Drives pods out that keep more on disk than they may, and one after the other where the node runs short. */
export class Evictor {
  readonly #options: EvictorOptions;
  readonly #images: UnusedImages;
  #victim: { readonly uid: string; readonly untilMs: number } | undefined;

  constructor(options: EvictorOptions) {
    this.#options = options;
    this.#images = new UnusedImages(options.context);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options.context;
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal).catch(() => {});
      if (signal.aborted) return;
      await this.look(signal).catch((error: unknown) => {
        if (!signal.aborted) log.debug({ error: messageOf(error) }, 'nobody knows what the node has left');
      });
    }
  }

  /** One round. */
  async look(signal: AbortSignal): Promise<void> {
    const { context: { room }, pods, evict } = this.#options;
    const bounded = pods().filter((pod) => isEvictable(pod) && hasDiskLimit(pod));
    for (const usage of await this.#usages(bounded, true, signal)) {
      const excess = excessOf(usage);
      if (excess !== undefined) evict(usage.pod, excess);
    }
    if (this.#isWaiting()) return;
    const [shortage] = shortagesOf(await room(signal));
    if (shortage !== undefined) await this.#relieve(shortage, signal);
  }

  #isWaiting(): boolean {
    const { context: { clock }, isLeaving } = this.#options;
    return this.#victim !== undefined && clock.now() < this.#victim.untilMs && isLeaving(this.#victim.uid);
  }

  async #relieve(shortage: Shortage, signal: AbortSignal): Promise<void> {
    const { context: { room, log, clock }, pods, evict } = this.#options;
    const isDisk = shortage.resource !== 'memory';
    if (isDisk && await this.#images.remove(signal)) {
      const [still] = shortagesOf(await room(signal));
      if (still?.resource !== shortage.resource) return;
    }
    const victim = victimOf(shortage, await this.#usages(pods(), isDisk, signal));
    if (victim === undefined) return log.warn({ resource: shortage.resource }, 'the node runs short, and no pod may be driven out');
    this.#victim = { uid: victim.pod.metadata.uid ?? '', untilMs: clock.now() + LEAVING_MS };
    evict(victim.pod, victim.eviction);
  }

  async #usages(pods: readonly PodManifest[], countsDisk: boolean, signal: AbortSignal): Promise<readonly PodUsage[]> {
    if (pods.length === 0) return [];
    const { cri, files } = this.#options.context;
    const stats = await cri.listStats(signal);
    return Promise.all(pods.map((pod) => usageOf(pod, stats, files, countsDisk, signal)));
  }
}
