import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { NetworkError } from '../../port.ts';
import type { Sandbox, Sandboxes } from './sandboxes.ts';

/** A guest that is spliced to a sandbox. */
export interface Standing {
  /** The anchor's `<namespace>/<name>`. */
  readonly key: string;
  readonly podUid?: string;
  readonly sandbox: string;
}

export interface SandboxWatchOptions {
  readonly sandboxes: Sandboxes;
  readonly standing: () => readonly Standing[];
  /** Called with the key of an anchor whose sandbox is another one now; again at each look until its guest is spliced to it. */
  readonly onMoved: (key: string) => void;
  /** Called with the key of an anchor that has no sandbox any more; again at each look until it has one. */
  readonly onLost: (key: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PodReference {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid?: string;
}

/** A caller that waits longer does better to ask again: meanwhile its anchor may have been deleted. */
const PATIENCE_MS = 2500;
/** Where the runtime tells of what starts, and where it does not. */
const IDLE_MS = 250;
/** What was started is a sandbox a moment later. */
const SOON_MS = 20;
const SOON_FOR_MS = 400;
const LOOK_MS = 2000;
const LOOK_SOON_MS = [30, 200] as const;

/** Finds sandboxes of anchors as soon as they are ready, and those that were made anew. */
export class SandboxWatch implements AsyncDisposable {
  readonly #options: SandboxWatchOptions;
  readonly #stop = new AbortController();
  #started = Promise.withResolvers<void>();
  #startedAt = Number.NEGATIVE_INFINITY;
  #unlisten: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(options: SandboxWatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#unlisten = this.#options.sandboxes.onStart(() => {
      this.#startedAt = this.#options.clock.now();
      this.#started.resolve();
      this.#started = Promise.withResolvers();
    });
    this.#running = this.#run();
  }

  /** The pod's sandbox once it is ready. Throws NetworkNotReady (wait) when it is not after a while. */
  async wait(pod: PodReference, signal?: AbortSignal): Promise<Sandbox> {
    const { clock } = this.#options;
    const giveUpAt = clock.now() + PATIENCE_MS;
    for (;;) {
      const found = await this.find(pod, signal);
      if (found !== undefined) return found;
      if (clock.now() >= giveUpAt) throw new NetworkError('NetworkNotReady', `waiting for the network of pod ${pod.namespace}/${pod.pod}`, { disposition: 'wait' });
      await this.#pause(clock.now() - this.#startedAt < SOON_FOR_MS ? SOON_MS : IDLE_MS, signal);
    }
  }

  async find({ namespace, pod, podUid }: PodReference, signal?: AbortSignal): Promise<Sandbox | undefined> {
    const ready = await this.#options.sandboxes.readySandboxes(podUid, signal);
    return ready.find((sandbox) => sandbox.namespace === namespace && sandbox.pod === pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new NetworkError('NetworkNotReady', 'the node\'s network has been stopped'));
    this.#unlisten();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#look();
        if (!(await this.#pause(LOOK_MS, signal))) continue;
        for (const ms of LOOK_SOON_MS) {
          await this.#options.clock.sleep(ms, signal);
          await this.#look();
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.debug({ error: messageOf(error) }, 'sandboxes could not be looked at');
        await this.#options.clock.sleep(LOOK_MS, signal).catch(() => {});
      }
    }
  }

  async #look(): Promise<void> {
    if (this.#options.standing().length === 0) return;
    const ready = await this.#options.sandboxes.readySandboxes(undefined, this.#stop.signal);
    for (const { key, podUid, sandbox } of this.#options.standing()) {
      const newest = ready.find((candidate) => `${candidate.namespace}/${candidate.pod}` === key && (podUid === undefined || candidate.podUid === podUid));
      if (newest === undefined) this.#options.onLost(key);
      else if (newest.id !== sandbox) this.#options.onMoved(key);
    }
  }

  /** At most `ms`, less when something is started: then true. */
  async #pause(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    const over = new AbortController();
    const both = AbortSignal.any([over.signal, this.#stop.signal, ...(signal === undefined ? [] : [signal])]);
    const asleep = this.#options.clock.sleep(ms, both);
    asleep.catch(() => {});
    const woken = await Promise.race([asleep.then(() => false), this.#started.promise.then(() => true)]);
    over.abort();
    return woken;
  }
}
