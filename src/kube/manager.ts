import type { Log } from '../base/log.ts';
import type { Controller } from './controller.ts';
import type { Informer } from './informer.ts';
import type { KubeObject } from './object.ts';

type AnyInformer = Pick<Informer<KubeObject>, 'start' | 'waitForSync' | typeof Symbol.asyncDispose>;

export interface ManagerOptions {
  readonly informers: readonly AnyInformer[];
  /** Started and ended with the others, but only the controllers that watch them wait for their first lists: all else works without. */
  readonly background?: readonly AnyInformer[];
  readonly controllers: readonly Controller[];
  /** Ended after the controllers. */
  readonly disposables?: readonly AsyncDisposable[];
  readonly log: Log;
  /** Runs the controllers only while it is the leader; see runAsLeader. Default: always. */
  readonly elect?: (signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>) => Promise<void>;
}

/**
 * The order of start and stop, written once. Start: informers, their first lists, leadership, controllers.
 * Stop: controllers drain, leadership is released, informers end.
 */
export class Manager {
  readonly #options: ManagerOptions;
  #ready = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** True once the caches are filled. */
  get ready(): boolean {
    return this.#ready;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { informers, background = [], controllers, disposables = [], log, elect } = this.#options;
    try {
      for (const informer of [...informers, ...background]) informer.start();
      await Promise.all(informers.map((informer) => informer.waitForSync(signal)));
      this.#ready = true;
      const lead = async (leading: AbortSignal): Promise<void> => {
        log.info({ controllers: controllers.map((controller) => controller.name) }, 'controllers run');
        await Promise.all(controllers.map((controller) => controller.run(leading)));
      };
      await (elect === undefined ? lead(signal) : elect(signal, lead));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#ready = false;
      await Promise.all([...disposables, ...informers, ...background].map((one) => one[Symbol.asyncDispose]()));
    }
  }
}
