/** IPv4 arithmetic. Addresses are unsigned 32-bit numbers here and dotted text everywhere else. */
export interface Cidr {
  readonly base: number;
  readonly prefix: number;
}

export function parseAddress(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (parts === null) return undefined;
  const bytes = parts.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((all, byte) => all * 256 + byte, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** Undefined for anything that is not IPv4 in CIDR notation; bits beyond the prefix are dropped. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length = '32'] = text.split('/');
  const base = parseAddress(address);
  const prefix = Number(length);
  if (base === undefined || !/^\d{1,2}$/.test(length) || prefix > 32) return undefined;
  return { base: networkOf(base, prefix), prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.base)}/${cidr.prefix}`;
}

export function sizeOf(cidr: Cidr): number {
  return 2 ** (32 - cidr.prefix);
}

export function contains(cidr: Cidr, address: number): boolean {
  return address >= cidr.base && address < cidr.base + sizeOf(cidr);
}

/** The network of `prefix` bits that the address lies in. */
export function networkOf(address: number, prefix: number): number {
  const size = 2 ** (32 - prefix);
  return Math.floor(address / size) * size;
}

/** Whether the address or network lies in the other network; false for anything that is not IPv4. */
export function liesWithin(inner: string, outer: string): boolean {
  const [small, large] = [parseCidr(inner), parseCidr(outer)];
  return small !== undefined && large !== undefined && small.prefix >= large.prefix && contains(large, small.base);
}
