import { systemClock, type Clock } from '../../../base/clock.ts';
import { OpenStackError, type OpenStackErrorCode } from '../../errors.ts';
import { RequestCounter } from '../../http/counter.ts';
import { compareMicroversions, type Microversion } from '../../microversion.ts';
import type { Page } from '../../page.ts';
import type { ServiceName } from '../../service-name.ts';

export interface SimulationOptions {
  readonly clock?: Clock;
  /** Objects in a page of a list. Default 1000. */
  readonly pageSize?: number;
  /** Of each call. Default 0. */
  readonly latencyMs?: number;
  /** From the request for a server until it runs. Default 1000. */
  readonly buildMs?: number;
  /** Of what is done to a server or a volume. Default 500. */
  readonly actionMs?: number;
  /** Most servers. Default as many as there is memory for. */
  readonly instances?: number;
  /** Called before each call, which fails with what this throws. */
  readonly before?: (service: ServiceName, call: string) => Promise<void> | void;
}

export const PROJECT_ID = 'simulated-project';
export const USER_ID = 'simulated-user';

/** What the simulated services of one cloud share: time, ids, and what each call costs. */
export class World {
  readonly options: SimulationOptions;
  readonly clock: Clock;
  readonly requests = new RequestCounter();
  readonly #closed = new AbortController();
  #ids = 0;

  constructor(options: SimulationOptions) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
  }

  close(): void {
    this.#closed.abort(new Error('the connection to the cloud was closed'));
  }

  /** Ends as a call of a real cloud would: counted, delayed, or failed by the test. */
  async call(service: ServiceName, call: string, signal?: AbortSignal): Promise<void> {
    for (const one of [this.#closed.signal, signal]) one?.throwIfAborted();
    const [method = ''] = call.split(' ');
    try {
      await this.options.before?.(service, call);
      const { latencyMs = 0 } = this.options;
      if (latencyMs > 0) await this.clock.sleep(latencyMs, signal);
    } catch (error) {
      this.requests.add(service, method, 'error');
      throw error;
    }
    this.requests.add(service, method, '200');
  }

  /** Unique, and in the order in which they were given out. */
  nextId(kind: string): string {
    return `${kind}-${String(++this.#ids).padStart(8, '0')}`;
  }

  /** Services keep times in whole seconds. */
  nowMs(): number {
    return Math.floor(this.clock.now() / 1000) * 1000;
  }

  /** After what such a thing takes, unless the cloud was closed meanwhile. */
  later(ms: number, work: () => void): void {
    this.clock.after(ms, () => {
      if (!this.#closed.signal.aborted) work();
    });
  }

  async supports(spoken: Microversion, version: Microversion): Promise<boolean> {
    return compareMicroversions(spoken, version) >= 0;
  }

  error(service: ServiceName, code: OpenStackErrorCode, message: string): OpenStackError {
    return new OpenStackError(code, `${service}: ${message}`, { service });
  }

  /** One call for each page; each page shows what there is when it is asked for. */
  async *pages<T>(service: ServiceName, call: string, table: ReadonlyMap<string, T>, signal?: AbortSignal, fits: (object: T) => boolean = () => true): AsyncGenerator<Page<T>, void, undefined> {
    const pageSize = this.options.pageSize ?? 1000;
    for (let marker: string | undefined; ;) {
      await this.call(service, call, signal);
      const items: T[] = [];
      let last: string | undefined;
      for (const [id, object] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if ((marker !== undefined && id <= marker) || !fits(object)) continue;
        if (items.length === pageSize) break;
        items.push(object);
        last = id;
      }
      yield { items: Object.freeze(items), dateMs: this.nowMs() };
      if (items.length < pageSize) return;
      marker = last;
    }
  }
}
