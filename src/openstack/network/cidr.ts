import { isIP } from 'node:net';

interface Range {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/** Addresses that are nobody's in the world: RFC 1918, RFC 6598 and RFC 4193. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

/** Whether two networks share addresses; false where either is none, or they are of two kinds. */
export function overlaps(one: string, other: string): boolean {
  const [a, b] = [rangeOf(one), rangeOf(other)];
  return a !== undefined && b !== undefined && a.version === b.version && a.first <= b.last && b.first <= a.last;
}

export function isPrivate(cidr: string): boolean {
  const inner = rangeOf(cidr);
  return inner !== undefined && PRIVATE.some((text) => {
    const outer = rangeOf(text);
    return outer !== undefined && outer.version === inner.version && outer.first <= inner.first && inner.last <= outer.last;
  });
}

export function prefixOf(cidr: string): number {
  return Number(cidr.split('/')[1]);
}

function rangeOf(cidr: string): Range | undefined {
  const [address = '', prefix = ''] = cidr.split('/');
  const version = isIP(address);
  const bits = version === 4 ? 32 : 128;
  if (version === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return undefined;
  const size = 1n << BigInt(bits - Number(prefix));
  const value = version === 4 ? fourOf(address) : sixOf(address);
  const first = value / size * size;
  return { version: version as 4 | 6, first, last: first + size - 1n };
}

function fourOf(address: string): bigint {
  return address.split('.').reduce((all, byte) => all * 256n + BigInt(byte), 0n);
}

/** The URL parser writes any IPv6 address in the same way, without dotted parts. */
function sixOf(address: string): bigint {
  const text = new URL(`http://[${address.split('%')[0] ?? ''}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): readonly string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  return all.reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n);
}
