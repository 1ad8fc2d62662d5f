import { connect, type Socket } from 'node:net';
import { systemClock, type Clock } from '../../../../base/clock.ts';
import { keepalive, encodeMessage, MessageDecoder, messageType, program, status, type Message } from './message.ts';
import { decodeRemoteError } from './remote-error.ts';
import { RemoteStream } from './stream.ts';
import { XdrReader } from './xdr.ts';

export interface ConnectionOptions {
  readonly socketPath: string;
  /** Calls in flight; libvirtd stops reading, keepalive included, at max_client_requests (5). Default 4. */
  readonly maxInFlight?: number;
  /** A silent peer is asked after this long and given up after three times this. Default 5000. */
  readonly keepaliveMs?: number;
  /** Default 10 000. */
  readonly connectTimeoutMs?: number;
  readonly clock?: Clock;
  readonly onEvent?: (procedure: number, payload: XdrReader) => void;
}

export interface CallOptions {
  readonly program?: number;
  readonly signal?: AbortSignal | undefined;
  /** Default 30 000. */
  readonly timeoutMs?: number;
}

/** The connection to libvirtd failed; every call that was under way may or may not have happened. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** libvirtd has not answered a call in time; it may still carry it out. */
export class CallTimeout extends Error {
  override readonly name = 'CallTimeout';
}

interface Pending {
  readonly procedure: number;
  readonly settle: (error: Error | undefined, payload: Buffer) => void;
  readonly stream?: ((serial: number) => RemoteStream) | undefined;
}

/** One connection of libvirt's RPC protocol over a unix socket. It never reconnects by itself. */
export class Connection {
  readonly closed: Promise<Error>;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, RemoteStream>();
  readonly #queue: (() => void)[] = [];
  readonly #decoder = new MessageDecoder();
  readonly #settleClosed: (error: Error) => void;
  #serial = 0;
  #lost: Error | undefined;
  #silentChecks = 0;
  #cancelKeepalive: () => void = () => {};

  private constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.closed = promise;
    this.#settleClosed = resolve;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(new ConnectionLost(`the connection to ${options.socketPath} failed`, { cause: error })));
    socket.on('close', () => this.#fail(new ConnectionLost(`libvirtd closed the connection at ${options.socketPath}`)));
    this.#scheduleKeepalive();
  }

  /** Rejects with ConnectionLost when nothing listens there. */
  static async open(options: ConnectionOptions, signal?: AbortSignal): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const socket = connect({ path: options.socketPath });
    const deadline = AbortSignal.timeout(options.connectTimeoutMs ?? 10_000);
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const onAbort = () => reject(signal?.aborted === true ? (signal.reason as Error) : new ConnectionLost(`no answer at ${options.socketPath}`));
    either.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) => reject(new ConnectionLost(`cannot connect to ${options.socketPath}`, { cause: error })));
    try {
      return new Connection(await promise, options);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      either.removeEventListener('abort', onAbort);
    }
  }

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  /** Calls a procedure and returns its reply. Rejects with RemoteError, ConnectionLost, CallTimeout or the signal's reason. */
  async call(procedure: number, args: Buffer, options: CallOptions = {}): Promise<XdrReader> {
    return new XdrReader(await this.#request(procedure, args, options));
  }

  /** Calls a procedure that opens a stream. */
  async openStream(procedure: number, args: Buffer, options: CallOptions = {}): Promise<RemoteStream> {
    let opened: RemoteStream | undefined;
    // The stream's first packets may come in the same chunk as the reply: it has to be there before the reply settles.
    const stream = (serial: number) => {
      opened = new RemoteStream({ procedure, serial, send: (message, done) => this.#write(message, done), closed: () => void this.#streams.delete(serial) });
      this.#streams.set(serial, opened);
      return opened;
    };
    try {
      await this.#request(procedure, args, options, stream);
    } catch (error) {
      opened?.destroy();
      throw error;
    }
    if (opened === undefined) throw new ConnectionLost('the stream was not opened');
    return opened;
  }

  close(): void {
    this.#fail(new ConnectionLost('the connection was closed'));
  }

  #request(procedure: number, args: Buffer, options: CallOptions, stream?: (serial: number) => RemoteStream): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const start = () => {
      this.#serial = (this.#serial % 0xffff_fffe) + 1;
      this.#pending.set(this.#serial, { procedure, stream, settle: (error, payload) => (error === undefined ? resolve(payload) : reject(error)) });
      this.#write({ program: options.program ?? program.remote, procedure, type: messageType.call, serial: this.#serial, status: status.ok, payload: args });
    };
    // A call that was given up on keeps its slot until libvirtd answers: libvirtd counts it too.
    const onAbort = () => {
      const waiting = this.#queue.indexOf(start);
      if (waiting >= 0) this.#queue.splice(waiting, 1);
      reject(signal?.reason as Error);
    };
    const timeoutMs = options.timeoutMs ?? 30_000;
    const cancelTimeout = this.#clock.after(timeoutMs, () => reject(new CallTimeout(`libvirtd has not answered procedure ${procedure} within ${timeoutMs} ms`)));
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#queue.push(start);
    this.#pump();
    return promise.finally(() => {
      cancelTimeout();
      signal?.removeEventListener('abort', onAbort);
    });
  }

  #pump(): void {
    while (this.#pending.size < (this.#options.maxInFlight ?? 4)) {
      const start = this.#queue.shift();
      if (start === undefined) return;
      start();
    }
  }

  #write(message: Message, done?: (error?: Error | null) => void): void {
    if (this.#lost !== undefined) return done?.(this.#lost);
    this.#socket.write(encodeMessage(message), done);
  }

  #receive(chunk: Buffer): void {
    this.#silentChecks = 0;
    try {
      for (const message of this.#decoder.push(chunk)) this.#dispatch(message);
    } catch (error) {
      this.#fail(new ConnectionLost('libvirtd sent something that is no message', { cause: error }));
    }
  }

  #dispatch(message: Message): void {
    if (message.program === program.keepalive) {
      if (message.procedure === keepalive.ping) this.#sendKeepalive(keepalive.pong);
    } else if (message.type === messageType.stream) {
      this.#streams.get(message.serial)?.receive(message);
    } else if (message.type === messageType.event) {
      this.#options.onEvent?.(message.procedure, new XdrReader(message.payload));
    } else if (message.type === messageType.reply) {
      this.#reply(message);
    }
  }

  #reply(message: Message): void {
    const pending = this.#pending.get(message.serial);
    if (pending === undefined) return;
    this.#pending.delete(message.serial);
    if (message.status === status.error) pending.settle(decodeRemoteError(message.payload), message.payload);
    else {
      pending.stream?.(message.serial);
      pending.settle(undefined, message.payload);
    }
    this.#pump();
  }

  #scheduleKeepalive(): void {
    this.#cancelKeepalive = this.#clock.after(this.#options.keepaliveMs ?? 5000, () => {
      this.#silentChecks++;
      if (this.#silentChecks > 3) return this.#fail(new ConnectionLost('libvirtd no longer answers'));
      this.#sendKeepalive(keepalive.ping);
      this.#scheduleKeepalive();
    });
  }

  #sendKeepalive(procedure: number): void {
    this.#write({ program: program.keepalive, procedure, type: messageType.event, serial: 0, status: status.ok, payload: Buffer.alloc(0) });
  }

  #fail(error: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#cancelKeepalive();
    this.#socket.destroy();
    for (const pending of this.#pending.values()) pending.settle(error, Buffer.alloc(0));
    this.#pending.clear();
    for (const start of this.#queue.splice(0)) start();
    for (const pending of this.#pending.values()) pending.settle(error, Buffer.alloc(0));
    this.#pending.clear();
    for (const stream of this.#streams.values()) stream.lost(error);
    this.#streams.clear();
    this.#settleClosed(error);
  }
}
