export interface AddressPool {
  readonly start: string;
  readonly end: string;
}

/** The first so many IPv4 addresses of the pools that are not taken; fewer where there are no more. */
export function freeAddresses(pools: readonly AddressPool[], taken: ReadonlySet<string>, count: number): readonly string[] {
  const free: string[] = [];
  for (const { start, end } of pools) {
    for (let number = toNumber(start); number <= toNumber(end) && free.length < count; number++) {
      const address = toAddress(number);
      if (!taken.has(address)) free.push(address);
    }
  }
  return free;
}

function toNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

function toAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
