import type { Cri, CriContainer } from '../cri.ts';
import { containerName, podOf } from '../kubelet/labels.ts';
import type { ContainerSpec, PodManifest } from '../kubelet/pod.ts';

/** All that the pod's spec names, whatever their kind. */
export function specsOf({ spec }: PodManifest): readonly ContainerSpec[] {
  return [...spec.containers, ...spec.initContainers ?? [], ...spec.ephemeralContainers ?? []];
}

/** The pod's container that runs, by its name. */
export async function runningContainer(cri: Cri, pod: PodManifest, name: string, signal: AbortSignal): Promise<string | undefined> {
  const all = await cri.listContainers(signal);
  const isMeant = ({ labels, state }: CriContainer): boolean => state === 'RUNNING' && podOf(labels)?.uid === pod.metadata.uid && containerName(labels) === name;
  return newest(all.filter(isMeant))?.id;
}

/** The pod's sandbox that is ready. */
export async function readySandbox(cri: Cri, pod: PodManifest, signal: AbortSignal): Promise<string | undefined> {
  const all = await cri.listSandboxes(signal);
  return newest(all.filter(({ metadata, ready }) => ready && metadata.uid === pod.metadata.uid))?.id;
}

function newest<T extends { readonly createdAt: bigint }>(all: readonly T[]): T | undefined {
  return all.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
}
