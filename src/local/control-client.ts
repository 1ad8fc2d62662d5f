import { request, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { errnoOf } from '../base/errors.ts';
import type { ClusterStatus } from './cluster.ts';
import { LocalError } from './errors.ts';
import type { ClusterEvent } from './event-ring.ts';
import type { ClusterLayout } from './layout.ts';

export interface Tie {
  /** Lets go: the cluster is taken down, as it is when this process dies. */
  release(): void;
  /** Resolves when the supervisor has ended, whatever the cause. */
  readonly ended: Promise<void>;
}

/** Speaks to the supervisor of a cluster. Every call throws LocalError: `NotRunning`, or what the supervisor answers. */
export class ControlClient {
  readonly #layout: ClusterLayout;

  constructor(layout: ClusterLayout) {
    this.#layout = layout;
  }

  status(signal?: AbortSignal): Promise<ClusterStatus> {
    return this.#call('GET', '/status', signal) as Promise<ClusterStatus>;
  }

  /** False when no supervisor answers. */
  async running(signal?: AbortSignal): Promise<boolean> {
    return this.status(signal).then(() => true, (error: unknown) => {
      if (error instanceof LocalError && error.code === 'NotRunning') return false;
      throw error;
    });
  }

  async grow(count: number, signal?: AbortSignal): Promise<void> {
    await this.#call('POST', `/nodes?count=${count}`, signal);
  }

  async node(name: string, verb: 'start' | 'stop' | 'crash', signal?: AbortSignal): Promise<void> {
    await this.#call('POST', `/nodes/${encodeURIComponent(name)}/${verb}`, signal);
  }

  async restartComponent(name: string, signal?: AbortSignal): Promise<void> {
    await this.#call('POST', `/components/${encodeURIComponent(name)}/restart`, signal);
  }

  /** Takes the volumes that the record has by now; returns when their servers and drivers run. */
  async renewStorage(signal?: AbortSignal): Promise<void> {
    await this.#call('POST', '/storage', signal);
  }

  async down(options: { readonly deleteState: boolean }, signal?: AbortSignal): Promise<void> {
    await this.#call('POST', `/down?delete=${options.deleteState}`, signal);
  }

  /** The cluster is taken down when this connection closes, also when this process is killed. */
  async tie(options: { readonly deleteState: boolean }): Promise<Tie> {
    const response = await this.#open('POST', `/tie?delete=${options.deleteState}`);
    response.resume();
    const ended = new Promise<void>((resolve) => response.once('close', () => resolve()));
    return { ended, release: () => response.destroy() };
  }

  /** Everything that happened lately, then what happens, until the supervisor ends or the signal aborts. */
  async *events(signal?: AbortSignal): AsyncGenerator<ClusterEvent> {
    const response = await this.#open('GET', '/events', signal);
    try {
      for await (const line of createInterface({ input: response })) yield JSON.parse(line) as ClusterEvent;
    } finally {
      response.destroy();
    }
  }

  async #call(method: string, path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#open(method, path, signal);
    const body = await json(response);
    if (response.statusCode === 200) return body;
    const { code, message } = body as { readonly code: string; readonly message: string };
    throw new LocalError(code, message);
  }

  #open(method: string, path: string, signal?: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.#layout.controlSocket, method, path, agent: false, ...(signal === undefined ? {} : { signal }) }, resolve);
      call.on('error', (cause) => {
        const away = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET'].includes(errnoOf(cause) ?? '');
        reject(away ? new LocalError('NotRunning', `Cluster ${this.#layout.name} is not running; start it with \`yado up --name ${this.#layout.name}\`.`, { cause }) : cause);
      });
      call.end();
    });
  }
}
