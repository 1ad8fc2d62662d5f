import { amountOf } from '../../../base/quantity.ts';
import type { PodManifest } from '../pod.ts';
import { memoryLimitOf } from '../pod-resources.ts';

/**
 * Bytes that an emptyDir in memory holds: what the pod may use, which is the node's own where nothing bounds it, or its
 * `sizeLimit` where that is less.
 * https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
 */
export function memoryVolumeBytes(pod: PodManifest, sizeLimit: string | undefined, allocatableBytes: number): number {
  const bounds = [memoryLimitOf(pod) ?? 0, Math.ceil(amountOf(sizeLimit))].filter((bytes) => bytes > 0);
  return Math.min(allocatableBytes, ...bounds);
}
