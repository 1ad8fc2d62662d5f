import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { pipeline, type Duplex } from 'node:stream';
import { LinkError } from './port.ts';

/** A unix socket of this host of which each connection becomes a tunnel. */
export class RuntimeSocket implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(open: (signal: AbortSignal) => Promise<Duplex>) {
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void this.#join(socket, open));
  }

  /** Listens at the path, for root alone; a socket that a killed process has left there is replaced. */
  static async listen(path: string, open: (signal: AbortSignal) => Promise<Duplex>): Promise<RuntimeSocket> {
    const made = new RuntimeSocket(open);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rm(path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    made.#server.once('error', (cause) => reject(new LinkError('LinkDown', `the socket ${path} cannot be made`, { cause, disposition: 'stalled' })));
    // Nobody else may connect in between.
    const mask = process.umask(0o177);
    try {
      made.#server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
    await promise;
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #join(socket: Socket, open: (signal: AbortSignal) => Promise<Duplex>): Promise<void> {
    const gone = new AbortController();
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      gone.abort(new LinkError('LinkDown', 'the connection to the runtime was closed'));
    });
    let tunnel: Duplex;
    try {
      tunnel = await open(gone.signal);
    } catch {
      // Who is connected sees that it ends, as with a runtime that is down.
      socket.destroy();
      return;
    }
    const end = (error: Error | null | undefined): void => {
      if (error === null || error === undefined) return;
      socket.destroy();
      tunnel.destroy();
    };
    pipeline(socket, tunnel, end);
    pipeline(tunnel, socket, end);
    if (socket.destroyed) tunnel.destroy();
  }
}
