import { createSocket, type Socket } from 'node:dgram';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { NetworkError } from '../port.ts';
import { dhcpAnswer, type DhcpLease } from './answer.ts';
import { decodeDhcp, encodeDhcp } from './packet.ts';

export interface DhcpServerOptions {
  /** The lease of a guest, by its MAC address in lower case. */
  readonly lookup: (macAddress: string) => DhcpLease | undefined;
  /**
   * How an answer reaches its guest. `unicast`: to the guest's address, as this node's routes and neighbours have it.
   * `broadcast`: to everybody behind the device that owns the lease's `server` address; each guest's must be its own.
   */
  readonly delivery: 'unicast' | 'broadcast';
  readonly log: Log;
  /** Default 67, and 68 for clients. */
  readonly ports?: { readonly server: number; readonly client: number };
}

const EVERYWHERE = '0.0.0.0';
const EVERYBODY = '255.255.255.255';

/**
 * Answers the DHCP requests of this node's guests. A guest is known by its MAC address, and every answer goes where
 * that guest is, never back to where the question came from: who claims another's MAC address learns nothing.
 */
export class DhcpServer implements AsyncDisposable {
  readonly #options: DhcpServerOptions;
  /** By the address that they are bound to: what is sent leaves from there. */
  readonly #sockets = new Map<string, Promise<Socket>>();

  constructor(options: DhcpServerOptions) {
    this.#options = options;
  }

  /** Listens for broadcasts, and at `servers`, from where answers leave; other addresses are opened once an answer needs them. */
  async start(servers: readonly string[] = []): Promise<void> {
    await Promise.all([EVERYWHERE, ...servers].map((address) => this.#socket(address)));
  }

  /** The address is no longer this node's. */
  async forget(server: string): Promise<void> {
    const opening = this.#sockets.get(server);
    this.#sockets.delete(server);
    await opening?.then(closed, () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sockets.keys()].map((address) => this.forget(address)));
  }

  #socket(address: string): Promise<Socket> {
    const known = this.#sockets.get(address);
    if (known !== undefined) return known;
    const opening = this.#open(address);
    this.#sockets.set(address, opening);
    opening.catch(() => {
      if (this.#sockets.get(address) === opening) this.#sockets.delete(address);
    });
    return opening;
  }

  async #open(address: string): Promise<Socket> {
    const port = this.#options.ports?.server ?? 67;
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    socket.bind(port, address, resolve);
    try {
      await promise;
    } catch (error) {
      socket.close();
      throw new NetworkError('NetworkNotReady', `DHCP cannot listen on ${address}:${port}; stop what else serves DHCP on this node`, { cause: error });
    }
    socket.off('error', reject);
    socket.setBroadcast(this.#options.delivery === 'broadcast');
    socket.on('error', (error) => this.#options.log.warn({ error: messageOf(error) }, 'DHCP socket'));
    socket.on('message', (packet) => this.#answer(packet));
    return socket;
  }

  #answer(packet: Buffer): void {
    const message = decodeDhcp(packet);
    if (message?.op !== 'request') return;
    const lease = this.#options.lookup(message.macAddress);
    if (lease === undefined) return;
    const answer = dhcpAnswer(message, lease);
    if (answer === undefined) return;
    this.#options.log.debug({ address: lease.address, mac: lease.macAddress }, 'DHCP answer');
    this.#send(encodeDhcp(answer), lease).catch((error: unknown) => {
      this.#options.log.warn({ address: lease.address, error: messageOf(error) }, 'DHCP answer could not be sent');
    });
  }

  async #send(packet: Buffer, lease: DhcpLease): Promise<void> {
    const { delivery, ports } = this.#options;
    const socket = await this.#socket(lease.server);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.send(packet, ports?.client ?? 68, delivery === 'broadcast' ? EVERYBODY : lease.address, (error) => (error === null ? resolve() : reject(error)));
    await promise;
  }
}

async function closed(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => socket.close(() => resolve()));
}
