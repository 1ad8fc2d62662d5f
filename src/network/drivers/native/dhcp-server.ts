import { createSocket, type Socket } from 'node:dgram';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { formatAddress } from '../../address.ts';
import { NetworkError } from '../../port.ts';
import { addressBytes, decodeDhcp, DhcpOption, DhcpType, domainBytes, encodeDhcp, routeBytes, type DhcpMessage } from './dhcp-packet.ts';
import { GATEWAY } from './interfaces.ts';

/** What a guest is told. */
export interface DhcpLease {
  readonly address: string;
  readonly macAddress: string;
  readonly hostname: string;
  readonly mtu: number;
  readonly servers: readonly string[];
  /** Search domains; the first is the guest's own. */
  readonly search: readonly string[];
}

export interface DhcpServerOptions {
  /** The lease of a guest, by its MAC address in lower case. */
  readonly lookup: (macAddress: string) => DhcpLease | undefined;
  readonly log: Log;
  /** Default 67, and 68 for clients. */
  readonly ports?: { readonly server: number; readonly client: number };
}

const FOREVER = 0xffffffff;

/** The answer to a guest's message; undefined when it needs none. */
export function dhcpAnswer(message: DhcpMessage, lease: DhcpLease): DhcpMessage | undefined {
  const server = message.options.get(DhcpOption.server);
  // The guest has chosen another server.
  if (server !== undefined && server.length === 4 && formatAddress(server.readUInt32BE()) !== GATEWAY) return undefined;
  switch (message.options.get(DhcpOption.type)?.[0] ?? 0) {
    case DhcpType.discover:
      return reply(message, DhcpType.offer, lease.address, leaseOptions(lease, true));
    case DhcpType.request: {
      const wanted = message.options.get(DhcpOption.requestedAddress);
      const address = wanted?.length === 4 ? formatAddress(wanted.readUInt32BE()) : message.ciaddr;
      return address === lease.address
        ? reply(message, DhcpType.ack, lease.address, leaseOptions(lease, true))
        : reply(message, DhcpType.nak, '0.0.0.0', []);
    }
    case DhcpType.inform:
      return reply(message, DhcpType.ack, '0.0.0.0', leaseOptions(lease, false));
    default:
      // A released or declined address stays the guest's: it is IPAM's to take.
      return undefined;
  }
}

function reply(message: DhcpMessage, type: number, yiaddr: string, options: readonly (readonly [number, Buffer])[]): DhcpMessage {
  return {
    ...message,
    op: 'reply',
    ciaddr: type === DhcpType.nak ? '0.0.0.0' : message.ciaddr,
    yiaddr,
    siaddr: '0.0.0.0',
    options: new Map([[DhcpOption.type, Buffer.from([type])], [DhcpOption.server, addressBytes(GATEWAY)], ...options]),
  };
}

function leaseOptions(lease: DhcpLease, withTime: boolean): readonly (readonly [number, Buffer])[] {
  const options: (readonly [number, Buffer])[] = [];
  if (withTime) {
    const time = Buffer.alloc(4);
    time.writeUInt32BE(FOREVER);
    options.push([DhcpOption.leaseTime, time]);
  }
  const mtu = Buffer.alloc(2);
  mtu.writeUInt16BE(lease.mtu);
  options.push(
    [DhcpOption.mask, addressBytes('255.255.255.255')],
    // Clients that know option 121 ignore the router option.
    [DhcpOption.routes, routeBytes([{ network: GATEWAY, prefix: 32, router: '0.0.0.0' }, { network: '0.0.0.0', prefix: 0, router: GATEWAY }])],
    [DhcpOption.router, addressBytes(GATEWAY)],
    [DhcpOption.mtu, mtu],
  );
  if (lease.hostname !== '') options.push([DhcpOption.hostname, Buffer.from(lease.hostname)]);
  if (lease.servers.length > 0) options.push([DhcpOption.dns, Buffer.concat(lease.servers.map(addressBytes))]);
  if (lease.search[0] !== undefined) options.push([DhcpOption.domain, Buffer.from(lease.search[0])], [DhcpOption.search, domainBytes(lease.search)]);
  return options;
}

/**
 * Answers the DHCP requests of this node's guests. A guest is known by its MAC address, and every answer goes to the
 * address that is the guest's, through the neighbour entry of its tap: who claims another's MAC address learns nothing.
 */
export class DhcpServer implements AsyncDisposable {
  readonly #options: DhcpServerOptions;
  #sockets: readonly Socket[] = [];

  constructor(options: DhcpServerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    // Broadcasts come to the first socket; the second makes answers leave from the address that guests know.
    this.#sockets = await Promise.all([this.#open('0.0.0.0'), this.#open(GATEWAY)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sockets = this.#sockets;
    this.#sockets = [];
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
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
      throw new NetworkError('NetworkNotReady', `DHCP cannot listen on ${address}:${port}; stop what else serves DHCP on this node`, { cause: error });
    }
    socket.off('error', reject);
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
    this.#sockets[1]?.send(encodeDhcp(answer), this.#options.ports?.client ?? 68, lease.address, (error) => {
      if (error !== null) this.#options.log.warn({ address: lease.address, error: messageOf(error) }, 'DHCP answer could not be sent');
    });
  }
}
