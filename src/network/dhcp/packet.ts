import { formatAddress, parseAddress } from '../address.ts';

/** The part of a DHCP message (RFC 2131) that matters here. */
export interface DhcpMessage {
  readonly op: 'request' | 'reply';
  readonly transaction: number;
  readonly seconds: number;
  readonly broadcast: boolean;
  /** Client's address, as it says. */
  readonly ciaddr: string;
  /** Address that the server gives. */
  readonly yiaddr: string;
  readonly siaddr: string;
  readonly giaddr: string;
  readonly macAddress: string;
  /** By code; the message's type is option 53. */
  readonly options: ReadonlyMap<number, Buffer>;
}

export const DhcpType = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;

export const DhcpOption = {
  mask: 1, router: 3, dns: 6, hostname: 12, domain: 15, mtu: 26, requestedAddress: 50, leaseTime: 51, type: 53, server: 54, search: 119, routes: 121,
} as const;

const COOKIE = 0x63825363;
const OPTIONS_AT = 240;
/** Some clients drop shorter packets, as BOOTP's were fixed. */
const SHORTEST = 300;

/** Undefined for anything that is no DHCP message over Ethernet. */
export function decodeDhcp(packet: Buffer): DhcpMessage | undefined {
  if (packet.length < OPTIONS_AT || packet[1] !== 1 || packet[2] !== 6 || packet.readUInt32BE(236) !== COOKIE) return undefined;
  const options = decodeOptions(packet.subarray(OPTIONS_AT));
  const op = packet[0] === 1 ? 'request' : packet[0] === 2 ? 'reply' : undefined;
  if (options === undefined || op === undefined) return undefined;
  const address = (at: number): string => formatAddress(packet.readUInt32BE(at));
  return {
    op,
    transaction: packet.readUInt32BE(4),
    seconds: packet.readUInt16BE(8),
    broadcast: (packet.readUInt16BE(10) & 0x8000) !== 0,
    ciaddr: address(12),
    yiaddr: address(16),
    siaddr: address(20),
    giaddr: address(24),
    macAddress: packet.subarray(28, 34).toString('hex').replaceAll(/..(?!$)/g, '$&:'),
    options,
  };
}

export function encodeDhcp(message: DhcpMessage): Buffer {
  const head = Buffer.alloc(OPTIONS_AT);
  head[0] = message.op === 'request' ? 1 : 2;
  head[1] = 1;
  head[2] = 6;
  head.writeUInt32BE(message.transaction, 4);
  head.writeUInt16BE(message.seconds, 8);
  head.writeUInt16BE(message.broadcast ? 0x8000 : 0, 10);
  for (const [at, address] of [[12, message.ciaddr], [16, message.yiaddr], [20, message.siaddr], [24, message.giaddr]] as const) {
    head.writeUInt32BE(parseAddress(address) ?? 0, at);
  }
  Buffer.from(message.macAddress.replaceAll(':', ''), 'hex').copy(head, 28);
  head.writeUInt32BE(COOKIE, 236);
  const options = [...message.options].flatMap(([code, value]) => encodeOption(code, value));
  const whole = Buffer.concat([head, ...options, Buffer.from([255])]);
  return whole.length >= SHORTEST ? whole : Buffer.concat([whole], SHORTEST);
}

/** Longer values go into several options of the same code (RFC 3396). */
function encodeOption(code: number, value: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < value.length; at += 255) {
    const part = value.subarray(at, at + 255);
    parts.push(Buffer.from([code, part.length]), part);
  }
  return parts;
}

function decodeOptions(bytes: Buffer): ReadonlyMap<number, Buffer> | undefined {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length;) {
    const code = bytes[at] ?? 0;
    if (code === 255) break;
    if (code === 0) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) return undefined;
    const value = bytes.subarray(at + 2, at + 2 + length);
    const known = options.get(code);
    options.set(code, known === undefined ? value : Buffer.concat([known, value]));
    at += 2 + length;
  }
  return options;
}

export function addressBytes(address: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(parseAddress(address) ?? 0);
  return bytes;
}

/** RFC 3442: destinations in their shortest form, each with its router. */
export function routeBytes(routes: readonly { readonly network: string; readonly prefix: number; readonly router: string }[]): Buffer {
  return Buffer.concat(routes.flatMap(({ network, prefix, router }) => [
    Buffer.from([prefix]),
    addressBytes(network).subarray(0, Math.ceil(prefix / 8)),
    addressBytes(router),
  ]));
}

/** RFC 1035 names, one after another, without compression (RFC 3397). */
export function domainBytes(domains: readonly string[]): Buffer {
  return Buffer.concat(domains.flatMap((domain) => [
    ...domain.split('.').filter((label) => label !== '').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]));
}
