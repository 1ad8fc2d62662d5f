import { amountOf } from '../../../base/quantity.ts';
import type { ContainerStats } from '../../cri.ts';
import type { PodFiles } from '../../pod-files.ts';
import { containerName, podOf } from '../labels.ts';
import { sourceOf, type EmptyDirSource } from '../materials/volume-sources.ts';
import type { ContainerSpec, PodManifest } from '../pod.ts';
import { logFolder, volumeFolder } from '../pod-paths.ts';
import { isSidecar } from '../restart.ts';

/** What a pod takes of its node, in bytes. */
export interface PodUsage {
  readonly pod: PodManifest;
  readonly containers: readonly { readonly name: string; readonly memoryBytes: number; readonly diskBytes: number }[];
  /** EmptyDirs on disk. */
  readonly volumes: readonly { readonly name: string; readonly bytes: number }[];
}

/** `countsDisk` for pods whose files are to be counted, which takes a while. */
export async function usageOf(pod: PodManifest, stats: readonly ContainerStats[], files: PodFiles, countsDisk: boolean, signal: AbortSignal): Promise<PodUsage> {
  const { uid = '' } = pod.metadata;
  const own = stats.filter(({ labels }) => podOf(labels)?.uid === uid);
  const containers = await Promise.all(own.map(async ({ labels, memoryWorkingSetBytes, writableLayerBytes }) => {
    const name = containerName(labels);
    const logs = countsDisk ? await files.usage(logFolder(uid, name), signal) : 0;
    return { name, memoryBytes: Number(memoryWorkingSetBytes), diskBytes: Number(writableLayerBytes) + logs };
  }));
  const volumes = await Promise.all((countsDisk ? emptyDirsOnDisk(pod) : []).map(async ({ name }) => ({ name, bytes: await files.usage(volumeFolder(uid, name), signal) })));
  return { pod, containers, volumes };
}

export function emptyDirsOnDisk({ spec: { volumes = [] } }: PodManifest): readonly (EmptyDirSource & { readonly name: string })[] {
  return volumes.flatMap((volume) => {
    const { kind, source } = sourceOf(volume);
    return kind === 'emptyDir' && source.medium !== 'Memory' ? [{ ...source, name: volume.name }] : [];
  });
}

export function memoryOf({ containers }: PodUsage): number {
  return containers.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
}

export function diskOf({ containers, volumes }: PodUsage): number {
  return containers.reduce((sum, { diskBytes }) => sum + diskBytes, 0) + volumes.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What the pod's containers have been promised together, of those that run at the same time. */
export function requestOf({ spec }: PodManifest, resource: string): number {
  const init = spec.initContainers ?? [];
  const sum = (containers: readonly ContainerSpec[]): number => containers.reduce((total, container) => total + amountOf(container.resources?.requests?.[resource]), 0);
  return Math.max(sum([...spec.containers, ...init.filter(isSidecar)]), ...init.map((container) => amountOf(container.resources?.requests?.[resource])));
}
