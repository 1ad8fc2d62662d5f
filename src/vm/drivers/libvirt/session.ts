import { backoffMs } from '../../../base/backoff.ts';
import { systemClock, type Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { GuestEvent } from '../../port.ts';
import { Connection, ConnectionLost, type CallOptions } from './rpc/connection.ts';
import type { RemoteStream } from './rpc/stream.ts';
import { XdrWriter, type XdrReader } from './rpc/xdr.ts';
import { eventId, procedure, readDomain } from './procedures.ts';

export interface SessionOptions {
  readonly socketPath: string;
  readonly log: Log;
  readonly onEvent: (event: GuestEvent) => void;
  readonly clock?: Clock;
  readonly keepaliveMs?: number;
}

/**
 * Calls that may take long must not stand in the way of short ones, since libvirtd answers only a few calls of a
 * connection at a time: each lane is a connection of its own. `query` also carries events and streams.
 */
export type Lane = 'query' | 'action' | 'agent';

const reconnect = { baseMs: 100, capMs: 5000, jitter: 0.2 };

/** The connections to one libvirtd: opened when first needed, and the one with the events kept up. */
export class Session {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #lanes = new Map<Lane, Promise<Connection>>();
  readonly #stopped = new AbortController();
  #keeper: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Starts to keep the connection with the events up; repeated calls change nothing. */
  watch(): void {
    this.#keeper ??= this.#keepUp();
  }

  async call(lane: Lane, number: number, args: Buffer, options: CallOptions = {}): Promise<XdrReader> {
    const connection = await this.#connection(lane, options.signal);
    return connection.call(number, args, options);
  }

  async openStream(number: number, args: Buffer, options: CallOptions = {}): Promise<RemoteStream> {
    const connection = await this.#connection('query', options.signal);
    return connection.openStream(number, args, options);
  }

  async close(): Promise<void> {
    this.#stopped.abort(new ConnectionLost('this session was closed'));
    const connections = [...this.#lanes.values()];
    this.#lanes.clear();
    for (const connection of await Promise.allSettled(connections)) if (connection.status === 'fulfilled') connection.value.close();
    await this.#keeper;
  }

  /** The lane's connection; callers share one attempt to open it. A caller's signal ends its own wait only. */
  #connection(lane: Lane, signal?: AbortSignal): Promise<Connection> {
    let opening = this.#lanes.get(lane);
    if (opening === undefined) {
      if (this.#stopped.signal.aborted) return Promise.reject(this.#stopped.signal.reason as Error);
      opening = this.#open(lane);
      this.#lanes.set(lane, opening);
      const forget = () => {
        if (this.#lanes.get(lane) === opening) this.#lanes.delete(lane);
      };
      opening.then((connection) => connection.closed.then(forget), forget);
    }
    return signal === undefined ? opening : abortable(opening, signal);
  }

  async #open(lane: Lane): Promise<Connection> {
    const { socketPath, keepaliveMs } = this.#options;
    const connection = await Connection.open({
      socketPath,
      clock: this.#clock,
      ...(keepaliveMs === undefined ? {} : { keepaliveMs }),
      ...(lane === 'query' ? { onEvent: (number, payload) => this.#event(number, payload) } : {}),
    }, this.#stopped.signal);
    try {
      // The first connection after libvirtd's start waits until it has asked QEMU what it can do.
      const options = { signal: this.#stopped.signal, timeoutMs: 60_000 };
      await connection.call(procedure.authList, Buffer.alloc(0), options);
      await connection.call(procedure.connectOpen, new XdrWriter().optionalString('qemu:///system').unsigned(0).toBuffer(), options);
      if (lane === 'query') for (const id of Object.values(eventId)) await connection.call(procedure.eventRegisterAny, new XdrWriter().int(id).unsigned(0).toBuffer(), options);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async #keepUp(): Promise<void> {
    const { log, onEvent } = this.#options;
    const { signal } = this.#stopped;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const connection = await this.#connection('query');
        failures = 0;
        onEvent({ id: undefined, kind: 'resync' });
        const error = await connection.closed;
        if (!signal.aborted) log.warn({ err: messageOf(error) }, 'lost libvirtd');
      } catch (error) {
        failures++;
        if (!signal.aborted) log.debug({ err: messageOf(error), failures }, 'cannot reach libvirtd');
      }
      await this.#clock.sleep(backoffMs(Math.max(failures, 1), reconnect), signal).catch(() => {});
    }
  }

  #event(number: number, payload: XdrReader): void {
    if (number !== procedure.eventLifecycle && number !== procedure.eventAgentLifecycle) return;
    payload.int();
    this.#options.onEvent({ id: readDomain(payload).id, kind: number === procedure.eventLifecycle ? 'lifecycle' : 'agent' });
  }
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
