import type { GuestPressure } from '../../link/port.ts';

/** What a node has left. */
export type NodeRoom = Pick<GuestPressure, 'memoryAvailableBytes' | 'diskCapacityBytes' | 'diskAvailableBytes' | 'inodes' | 'inodesFree'>;

/** In core/v1's words. */
export type ShortResource = 'memory' | 'ephemeral-storage' | 'inodes';

/** A node has less of something than it needs to go on safely. */
export interface Shortage {
  readonly resource: ShortResource;
  /** Below which it is one; bytes, or a number of inodes. */
  readonly threshold: number;
  readonly available: number;
}

/** Why a pod has to go, as its status says it. */
export interface Eviction {
  readonly message: string;
  /** It goes for the sake of others: its condition DisruptionTarget says so. */
  readonly isDisruption: boolean;
}
