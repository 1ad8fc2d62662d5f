import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { GuestEndpoint, GuestEndpointRequest } from '../../src/network/port.ts';

type Method = 'ensureGuest' | 'removeGuest' | 'prune';

/** A call, as a line of JSON on the process's standard input; 0 is the number of its start. */
export interface GuestCall {
  readonly id: number;
  readonly method: Method;
  readonly params: readonly unknown[];
}

/** A line of JSON on its standard output. */
export interface GuestAnswer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  /** Key of an anchor that has moved: said of its own accord. */
  readonly moved?: string;
}

/** A driver of networks in a process of its own, which can be killed. */
export class GuestCalls implements AsyncDisposable {
  /** Keys of anchors that it said have moved. */
  readonly moved: string[] = [];
  protected readonly child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 1;

  protected constructor(child: ChildProcess) {
    this.child = child;
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.#hear(JSON.parse(line) as GuestAnswer));
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the agent ended'));
    });
  }

  /** Resolves once it takes calls. */
  protected started(): Promise<unknown> {
    return this.#wait(0);
  }

  ensureGuest(request: GuestEndpointRequest): Promise<GuestEndpoint> {
    return this.#call('ensureGuest', [request]) as Promise<GuestEndpoint>;
  }

  removeGuest(namespace: string, pod: string): Promise<unknown> {
    return this.#call('removeGuest', [namespace, pod]);
  }

  prune(keep: readonly string[]): Promise<unknown> {
    return this.#call('prune', [keep]);
  }

  /** Ends the process in an orderly way. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin?.end();
    await gone;
  }

  #hear({ id, result, error, moved }: GuestAnswer): void {
    if (moved !== undefined) this.moved.push(moved);
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #wait(id: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    return waiting.promise.finally(() => this.#waiting.delete(id));
  }

  #call(method: Method, params: readonly unknown[]): Promise<unknown> {
    const id = this.#next++;
    this.child.stdin?.write(`${JSON.stringify({ id, method, params } satisfies GuestCall)}\n`);
    return this.#wait(id);
  }
}
