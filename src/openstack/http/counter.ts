import type { ServiceName } from '../service-name.ts';

/** `status` is that of HTTP, or `error` where there was no answer. Called once for each attempt. */
export type RequestObserver = (service: ServiceName, method: string, status: string) => void;

export interface RequestCount {
  readonly service: ServiceName;
  readonly method: string;
  readonly status: string;
  readonly count: number;
}

/** How often a cloud was asked, retries and authentication included. */
export interface RequestCounts {
  readonly total: number;
  list(): readonly RequestCount[];
}

export class RequestCounter implements RequestCounts {
  readonly #counts = new Map<string, RequestCount>();
  readonly #observer: RequestObserver | undefined;
  #total = 0;

  constructor(observer?: RequestObserver) {
    this.#observer = observer;
  }

  get total(): number {
    return this.#total;
  }

  list(): readonly RequestCount[] {
    return [...this.#counts.values()];
  }

  add(service: ServiceName, method: string, status: string): void {
    const key = `${service} ${method} ${status}`;
    this.#counts.set(key, { service, method, status, count: (this.#counts.get(key)?.count ?? 0) + 1 });
    this.#total += 1;
    this.#observer?.(service, method, status);
  }
}
