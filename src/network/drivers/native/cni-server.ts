import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { CniCode, CniError, cniErrorOutput, parseCniRequest, type CniReply, type CniRequest } from './cni-request.ts';

export interface CniServerOptions {
  readonly socketPath: string;
  readonly log: Log;
  /** Returns the output of the command. A CniError's code goes to the runtime. */
  readonly handle: (request: CniRequest, signal: AbortSignal) => Promise<unknown>;
  /** Longest time for one request, in milliseconds. Default 90 000. */
  readonly timeoutMs?: number;
}

const LONGEST_REQUEST = 1024 * 1024;

/** Serves the CNI plugin: one request and one reply a connection. A caller that goes away does not stop its request. */
export class CniServer implements AsyncDisposable {
  readonly #options: CniServerOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #server: Server | undefined;

  constructor(options: CniServerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { socketPath } = this.#options;
    await mkdir(dirname(socketPath), { recursive: true });
    // A socket that a killed agent left behind.
    await rm(socketPath, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server = createServer((socket) => this.#accept(socket)).once('error', reject).listen(socketPath, resolve);
    await promise;
    await chmod(socketPath, 0o600);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.#stop.abort(new CniError(CniCode.tryAgainLater, 'the node agent is stopping'));
    await Promise.all(this.#running);
    await closed;
  }

  #accept(socket: Socket): void {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('data', (chunk: string) => {
      if (text.includes('\n')) return;
      text += chunk;
      if (text.length > LONGEST_REQUEST) {
        socket.destroy();
        return;
      }
      const end = text.indexOf('\n');
      if (end < 0) return;
      const work = this.#serve(text.slice(0, end)).then((reply) => void socket.end(`${JSON.stringify(reply)}\n`));
      this.#running.add(work);
      void work.finally(() => this.#running.delete(work));
    });
  }

  async #serve(line: string): Promise<CniReply> {
    let request: CniRequest | undefined;
    try {
      request = parseCniRequest(line);
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.timeoutMs ?? 90_000)]);
      return { ok: true, output: (await this.#options.handle(request, signal)) ?? {} };
    } catch (error) {
      const code = error instanceof CniError ? error.cniCode : CniCode.tryAgainLater;
      this.#options.log.warn({ command: request?.command, container: request?.containerId, error: messageOf(error) }, 'CNI request failed');
      return { ok: false, output: cniErrorOutput(request, code, messageOf(error)) };
    }
  }
}
