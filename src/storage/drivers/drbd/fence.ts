import type { ReplicatedVolumeSpec } from '../../../api/replicated-volume.ts';
import { timestamp } from '../../../kube/conditions.ts';

export type Fence = ReplicatedVolumeSpec['fence'];

export const OPEN_FENCE: Fence = { outdated: [], epoch: 0 };

/**
 * Shuts others out of a volume; undefined where this node is shut out itself. It is counted even where they are out
 * already: whoever has read the former state, to let one in again, has then read too early.
 */
export function shutOut(fence: Fence, node: string, others: readonly string[], nowMs: number): Fence | undefined {
  if (fence.outdated.includes(node)) return undefined;
  return { outdated: [...new Set([...fence.outdated, ...others])].sort(), by: node, time: timestamp(nowMs), epoch: fence.epoch + 1 };
}

/** Lets one in again that has all that was written: only whoever is not out may do so. */
export function readmit(fence: Fence, node: string, other: string): Fence | undefined {
  if (fence.outdated.includes(node) || !fence.outdated.includes(other)) return undefined;
  const outdated = fence.outdated.filter((one) => one !== other);
  return outdated.length === 0 ? { outdated, epoch: fence.epoch + 1 } : { ...fence, outdated, epoch: fence.epoch + 1 };
}
