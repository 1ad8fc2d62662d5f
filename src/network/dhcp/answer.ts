import { formatAddress } from '../address.ts';
import { addressBytes, DhcpOption, DhcpType, domainBytes, routeBytes, type DhcpMessage } from './packet.ts';

/** What a guest is told. */
export interface DhcpLease {
  readonly address: string;
  /** Bits of the network that the guest reaches without a router; 32: none. */
  readonly prefix: number;
  readonly macAddress: string;
  readonly hostname: string;
  readonly mtu: number;
  /** Name servers. */
  readonly servers: readonly string[];
  /** Search domains; the first is the guest's own. */
  readonly search: readonly string[];
  /** By which the server is known to the guest, and where its answers come from. */
  readonly server: string;
  readonly router?: string;
  /** All routes of the guest but that to its own network, where the router alone does not say it. */
  readonly routes: readonly DhcpRoute[];
  /** How long the guest may keep it without asking again. */
  readonly leaseSeconds: number;
}

export interface DhcpRoute {
  readonly network: string;
  readonly prefix: number;
  /** `0.0.0.0`: reached without a router. */
  readonly router: string;
}

/** A lease that never ends. */
export const FOREVER_SECONDS = 0xffffffff;

/** The answer to a guest's message; undefined when it needs none. */
export function dhcpAnswer(message: DhcpMessage, lease: DhcpLease): DhcpMessage | undefined {
  const server = message.options.get(DhcpOption.server);
  // The guest has chosen another server.
  if (server !== undefined && server.length === 4 && formatAddress(server.readUInt32BE()) !== lease.server) return undefined;
  switch (message.options.get(DhcpOption.type)?.[0] ?? 0) {
    case DhcpType.discover:
      return reply(message, lease, DhcpType.offer, lease.address, leaseOptions(lease, true));
    case DhcpType.request: {
      const wanted = message.options.get(DhcpOption.requestedAddress);
      const address = wanted?.length === 4 ? formatAddress(wanted.readUInt32BE()) : message.ciaddr;
      return address === lease.address
        ? reply(message, lease, DhcpType.ack, lease.address, leaseOptions(lease, true))
        : reply(message, lease, DhcpType.nak, '0.0.0.0', []);
    }
    case DhcpType.inform:
      return reply(message, lease, DhcpType.ack, '0.0.0.0', leaseOptions(lease, false));
    default:
      // A released or declined address stays the guest's: it is not DHCP's to take.
      return undefined;
  }
}

function reply(message: DhcpMessage, lease: DhcpLease, type: number, yiaddr: string, options: readonly (readonly [number, Buffer])[]): DhcpMessage {
  return {
    ...message,
    op: 'reply',
    ciaddr: type === DhcpType.nak ? '0.0.0.0' : message.ciaddr,
    yiaddr,
    siaddr: '0.0.0.0',
    options: new Map([[DhcpOption.type, Buffer.from([type])], [DhcpOption.server, addressBytes(lease.server)], ...options]),
  };
}

function leaseOptions(lease: DhcpLease, withTime: boolean): readonly (readonly [number, Buffer])[] {
  const options: (readonly [number, Buffer])[] = [];
  if (withTime) {
    const time = Buffer.alloc(4);
    time.writeUInt32BE(lease.leaseSeconds);
    options.push([DhcpOption.leaseTime, time]);
  }
  const mtu = Buffer.alloc(2);
  mtu.writeUInt16BE(lease.mtu);
  options.push([DhcpOption.mask, addressBytes(maskOf(lease.prefix))]);
  // Clients that know option 121 ignore the router option.
  if (lease.routes.length > 0) options.push([DhcpOption.routes, routeBytes(lease.routes)]);
  if (lease.router !== undefined) options.push([DhcpOption.router, addressBytes(lease.router)]);
  options.push([DhcpOption.mtu, mtu]);
  if (lease.hostname !== '') options.push([DhcpOption.hostname, Buffer.from(lease.hostname)]);
  if (lease.servers.length > 0) options.push([DhcpOption.dns, Buffer.concat(lease.servers.map(addressBytes))]);
  if (lease.search[0] !== undefined) options.push([DhcpOption.domain, Buffer.from(lease.search[0])], [DhcpOption.search, domainBytes(lease.search)]);
  return options;
}

function maskOf(prefix: number): string {
  return formatAddress(2 ** 32 - 2 ** (32 - prefix));
}
