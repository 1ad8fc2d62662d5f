import type { Duplex } from 'node:stream';
import { backoffMs, type BackoffOptions } from '../../base/backoff.ts';
import { systemClock, type Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { LinkConnector } from './connector.ts';
import { LinkError, type GuestInfo, type GuestLink, type GuestNetwork, type GuestPressure, type LinkTransport, type PodEndpoint } from './port.ts';
import { RelayFiles } from './relay-files.ts';
import { RuntimeSocket } from './runtime-socket.ts';
import { asLinkError, LinkSession } from './session.ts';

export interface HttpLinkOptions {
  readonly connector: LinkConnector;
  /** Where the guest's runtime is to be reached on this host. */
  readonly runtimeSocket: string;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A port that was closed is opened again no sooner, so that the guest notices both. */
const backoff: BackoffOptions = { baseMs: 100, capMs: 1000, jitter: 0.1 };
const handshakeMs = 5000;
const pingEveryMs = 4000;
const pingTimeoutMs = 5000;

class PresentSession {
  session: LinkSession | undefined;

  get(): LinkSession {
    if (this.session === undefined) throw new LinkError('LinkDown', 'the guest is not connected');
    return this.session;
  }
}

/** The way into a guest by HTTP/2, whatever carries it. */
export class HttpLink implements GuestLink {
  readonly files = new RelayFiles(() => this.#present.get());
  readonly #options: HttpLinkOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  readonly #socket: RuntimeSocket;
  readonly #present: PresentSession;

  private constructor(options: HttpLinkOptions, present: PresentSession, socket: RuntimeSocket) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#present = present;
    this.#socket = socket;
    this.#running = this.#run();
  }

  /** Makes the runtime's socket, and then connects by itself, now and after every loss. */
  static async open(options: HttpLinkOptions): Promise<HttpLink> {
    const present = new PresentSession();
    const socket = await RuntimeSocket.listen(options.runtimeSocket, async (signal) => present.get().tunnel('runtime', signal));
    return new HttpLink(options, present, socket);
  }

  get transport(): LinkTransport {
    return this.#options.connector.transport;
  }

  get connected(): boolean {
    return this.#present.session !== undefined;
  }

  get runtimeSocket(): string {
    return this.#options.runtimeSocket;
  }

  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async dial(port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.#present.get().tunnel(`127.0.0.1:${port}`, signal);
  }

  async dialPod(pid: number, port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.#present.get().tunnel(`pod:${pid}:${port}`, signal);
  }

  async info(signal?: AbortSignal): Promise<GuestInfo> {
    return await this.#present.get().call({ method: 'GET', path: '/v1/info' }, signal) as GuestInfo;
  }

  async pressure(signal?: AbortSignal): Promise<GuestPressure> {
    return await this.#present.get().call({ method: 'GET', path: '/v1/pressure' }, signal) as GuestPressure;
  }

  async setNetwork(network: GuestNetwork, signal?: AbortSignal): Promise<void> {
    await this.#present.get().call({ method: 'PUT', path: '/v1/network', body: JSON.stringify({ mtu: network.mtu }) }, signal);
  }

  async setEndpoint({ podUid, address }: PodEndpoint, signal?: AbortSignal): Promise<void> {
    await this.#present.get().call({ method: 'PUT', path: endpointPath(podUid), body: JSON.stringify({ address }) }, signal);
  }

  async removeEndpoint(podUid: string, signal?: AbortSignal): Promise<void> {
    await this.#present.get().call({ method: 'DELETE', path: endpointPath(podUid) }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new LinkError('LinkDown', 'the link was closed'));
    await Promise.all([this.#running, this.#socket[Symbol.asyncDispose]()]);
    this.#listeners.clear();
  }

  async #run(): Promise<void> {
    const { connector, log } = this.#options;
    const { signal } = this.#over;
    for (let failures = 0; !signal.aborted;) {
      try {
        const session = new LinkSession(await connector.connect(handshakeMs, signal));
        failures = await this.#use(session) ? 0 : failures + 1;
      } catch (error) {
        failures += 1;
        // A guest that boots or has stopped is no news each time.
        log.debug({ transport: connector.transport }, `no way into the guest: ${messageOf(error)}`);
      }
      await this.#clock.sleep(backoffMs(Math.max(failures, 1), backoff), signal).catch(() => {});
    }
  }

  /** Keeps a session until it ends. False when it never worked. */
  async #use(session: LinkSession): Promise<boolean> {
    const { connector, log } = this.#options;
    const { signal } = this.#over;
    let worked = false;
    const abort = (): void => session.close(new LinkError('LinkDown', 'the link was closed'));
    signal.addEventListener('abort', abort, { once: true });
    // What never worked, such as a guest that does not trust us, is tried again and again; that is no news.
    const ended = session.closed.then((reason) => log[worked && !signal.aborted ? 'warn' : 'debug']({ transport: connector.transport }, `the way into the guest is lost: ${messageOf(reason)}`));
    try {
      await session.ping(pingTimeoutMs);
      worked = true;
      this.#tell(session);
      for (let open = true; open && !signal.aborted;) {
        const pause = new AbortController();
        open = await Promise.race([ended.then(() => false), this.#clock.sleep(pingEveryMs, AbortSignal.any([signal, pause.signal])).then(() => true, () => false)]);
        pause.abort();
        if (open) await session.ping(pingTimeoutMs);
      }
    } catch (error) {
      session.close(asLinkError(error, 'the guest does not answer'));
    } finally {
      signal.removeEventListener('abort', abort);
      this.#tell(undefined);
      await ended;
    }
    return worked;
  }

  #tell(session: LinkSession | undefined): void {
    const before = this.connected;
    this.#present.session = session;
    if (before === this.connected) return;
    for (const listener of this.#listeners) listener(this.connected);
  }
}

function endpointPath(podUid: string): string {
  return `/v1/endpoints/${encodeURIComponent(podUid)}`;
}
