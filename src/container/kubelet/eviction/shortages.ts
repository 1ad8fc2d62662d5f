import type { NodeRoom, Shortage, ShortResource } from './port.ts';

export type PressureCondition = 'MemoryPressure' | 'DiskPressure';

/** Half of a kubelet's default: guests are small, and the agent that would need the rest is not in them. */
const LEAST_MEMORY_BYTES = 50 * 2 ** 20;
/** The kubelet's defaults. https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#hard-eviction-thresholds */
const LEAST_DISK = 0.1;
const LEAST_INODES = 0.05;
/** How long a node goes on saying so: pods that have just been driven out shall not come back at once. */
const HOLD_MS = 5 * 60_000;

/** What the node has too little of, what is worst to run out of first. */
export function shortagesOf({ memoryAvailableBytes, diskCapacityBytes, diskAvailableBytes, inodes, inodesFree }: NodeRoom): readonly Shortage[] {
  const all: readonly Shortage[] = [
    { resource: 'memory', threshold: LEAST_MEMORY_BYTES, available: memoryAvailableBytes },
    { resource: 'ephemeral-storage', threshold: Math.ceil(diskCapacityBytes * LEAST_DISK), available: diskAvailableBytes },
    // A file system without a number of inodes does not run out of them.
    { resource: 'inodes', threshold: Math.ceil(inodes * LEAST_INODES), available: inodesFree },
  ];
  return all.filter(({ available, threshold }) => available < threshold);
}

export function conditionOfShortage(resource: ShortResource): PressureCondition {
  return resource === 'memory' ? 'MemoryPressure' : 'DiskPressure';
}

/** Which conditions of pressure a node has: for a while also when the shortage is over. */
export class PressureMemory {
  readonly #seenAtMs = new Map<PressureCondition, number>();

  look(room: NodeRoom, nowMs: number): ReadonlySet<PressureCondition> {
    for (const { resource } of shortagesOf(room)) this.#seenAtMs.set(conditionOfShortage(resource), nowMs);
    return new Set([...this.#seenAtMs].filter(([, seenAtMs]) => nowMs - seenAtMs < HOLD_MS).map(([condition]) => condition));
  }
}
