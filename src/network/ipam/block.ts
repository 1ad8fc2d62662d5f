import { contains, formatAddress, parseAddress, parseCidr, sizeOf } from '../address.ts';
import type { AllocationAttribute, BlockSpec, Whole } from '../calico/kinds.ts';

/** Pure functions on Calico's allocation blocks. Each returns a new block; the caller writes it by compare-and-swap. */
export interface Owner {
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Allocation {
  readonly address: string;
  readonly ordinal: number;
  readonly handle: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  readonly sequenceNumber: bigint;
}

export function newBlock(cidr: string, node: string, nowMs: number): BlockSpec {
  const size = sizeOf(parseCidr(cidr) ?? { base: 0, prefix: 32 });
  return {
    cidr,
    affinity: affinityOf(node),
    affinityClaimTime: new Date(nowMs).toISOString(),
    strictAffinity: false,
    deleted: false,
    allocations: Array.from({ length: size }, () => null),
    unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
    attributes: [],
    // Starts from nanoseconds, so that a block that is made anew never repeats a number.
    sequenceNumber: BigInt(nowMs) * 1_000_000n,
    sequenceNumberForAllocation: {},
  };
}

export const affinityOf = (node: string): string => `host:${node}`;

export function addressAt(block: BlockSpec, ordinal: number): string {
  return formatAddress((parseCidr(block.cidr)?.base ?? 0) + ordinal);
}

/** The next address that is free and not reserved, or undefined when there is none. */
export function allocateNext(block: BlockSpec, owner: Owner, reserved: (address: string) => boolean): { readonly block: BlockSpec; readonly address: string } | undefined {
  const ordinal = block.unallocated.find((candidate) => !reserved(addressAt(block, candidate)));
  return ordinal === undefined ? undefined : { block: occupy(block, ordinal, owner), address: addressAt(block, ordinal) };
}

export function hasRoom(block: BlockSpec, reserved: (address: string) => boolean): boolean {
  return block.unallocated.some((ordinal) => !reserved(addressAt(block, ordinal)));
}

/** The block with this address given to the owner; undefined when somebody has it. */
export function allocateAddress(block: BlockSpec, address: string, owner: Owner): BlockSpec | undefined {
  const ordinal = ordinalOf(block, address);
  return ordinal !== undefined && block.unallocated.includes(ordinal) ? occupy(block, ordinal, owner) : undefined;
}

export function ordinalOf(block: BlockSpec, address: string): number | undefined {
  const cidr = parseCidr(block.cidr);
  const number = parseAddress(address);
  return cidr === undefined || number === undefined || !contains(cidr, number) ? undefined : number - cidr.base;
}

/** All live allocations, without those that cool down. */
export function allocationsOf(block: BlockSpec): readonly Allocation[] {
  return block.allocations.flatMap((index, ordinal) => {
    const attribute = index === null ? undefined : block.attributes[index];
    if (attribute === undefined || attribute.releasedAt !== undefined) return [];
    return [{
      address: addressAt(block, ordinal),
      ordinal,
      handle: attribute.handle_id,
      attributes: attribute.secondary ?? {},
      sequenceNumber: BigInt(block.sequenceNumberForAllocation?.[String(ordinal)] ?? 0),
    }];
  });
}

export function allocationsOfHandle(block: BlockSpec, handle: string): readonly Allocation[] {
  return allocationsOf(block).filter((allocation) => allocation.handle === handle);
}

/**
 * Takes the addresses from their holder: each only while it is held under the same handle and sequence number.
 * With a cooldown they are marked and stay out of use. Undefined when nothing changed.
 */
export function releaseAllocations(block: BlockSpec, released: readonly Allocation[], cooldownSeconds: number, nowMs: number): BlockSpec | undefined {
  const live = new Map(allocationsOf(block).map((allocation) => [allocation.ordinal, allocation]));
  const ordinals = released
    .filter(({ ordinal, handle, sequenceNumber }) => live.get(ordinal)?.handle === handle && live.get(ordinal)?.sequenceNumber === sequenceNumber)
    .map(({ ordinal }) => ordinal);
  if (ordinals.length === 0) return undefined;
  return cooldownSeconds > 0 ? coolDown(block, ordinals, nowMs) : free(block, ordinals);
}

/** Frees what has cooled down; the same block when there is nothing. */
export function reap(block: BlockSpec, cooldownSeconds: number, nowMs: number): BlockSpec {
  const due = block.allocations.flatMap((index, ordinal) => {
    const releasedAt = index === null ? undefined : block.attributes[index]?.releasedAt;
    return releasedAt !== undefined && Date.parse(releasedAt) + cooldownSeconds * 1000 <= nowMs ? [ordinal] : [];
  });
  return due.length === 0 ? block : free(block, due);
}

export function isEmpty(block: BlockSpec): boolean {
  return block.allocations.every((index) => index === null);
}

function occupy(block: BlockSpec, ordinal: number, owner: Owner): BlockSpec {
  const attribute: AllocationAttribute = { handle_id: owner.handle, secondary: owner.attributes };
  return withAttribute(block, [ordinal], attribute, {
    unallocated: block.unallocated.filter((other) => other !== ordinal),
    sequenceNumberForAllocation: { ...block.sequenceNumberForAllocation, [String(ordinal)]: (block.sequenceNumber ?? 0) },
  });
}

function coolDown(block: BlockSpec, ordinals: readonly number[], nowMs: number): BlockSpec {
  return ordinals.reduce((current, ordinal) => {
    const index = current.allocations[ordinal];
    const attribute = index === null || index === undefined ? undefined : current.attributes[index];
    return withAttribute(current, [ordinal], { ...attribute, releasedAt: new Date(nowMs).toISOString() }, {});
  }, block);
}

function withAttribute(block: BlockSpec, ordinals: readonly number[], attribute: AllocationAttribute, rest: Partial<BlockSpec>): BlockSpec {
  const attributes = [...block.attributes, attribute];
  const allocations = block.allocations.map((index, ordinal) => (ordinals.includes(ordinal) ? attributes.length - 1 : index));
  return compact({ ...block, ...rest, attributes, allocations });
}

function free(block: BlockSpec, ordinals: readonly number[]): BlockSpec {
  const gone = new Set(ordinals);
  const numbers = Object.entries(block.sequenceNumberForAllocation ?? {}).filter(([ordinal]) => !gone.has(Number(ordinal)));
  return compact({
    ...block,
    allocations: block.allocations.map((index, ordinal) => (gone.has(ordinal) ? null : index)),
    unallocated: [...block.unallocated, ...ordinals],
    sequenceNumberForAllocation: Object.fromEntries(numbers),
  });
}

/** Drops attributes that no allocation points at, and merges equal ones. */
function compact(block: BlockSpec): BlockSpec {
  const attributes: AllocationAttribute[] = [];
  const places = new Map<string, number>();
  const allocations = block.allocations.map((index) => {
    const attribute = index === null ? undefined : block.attributes[index];
    if (attribute === undefined) return null;
    const key = JSON.stringify(attribute);
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, attributes.length);
    attributes.push(attribute);
    return attributes.length - 1;
  });
  return { ...block, attributes, allocations };
}

export function nextSequenceNumber(number: Whole | undefined): bigint {
  return BigInt(number ?? 0) + 1n;
}
