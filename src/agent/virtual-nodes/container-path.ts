import type { PodManifest } from '../../container/kubelet/pod.ts';

/** How events name a container of a pod; undefined for one that the pod does not have. */
export function containerPath({ spec }: PodManifest, name: string): string | undefined {
  for (const list of ['containers', 'initContainers', 'ephemeralContainers'] as const) {
    if (spec[list]?.some((container) => container.name === name) === true) return `spec.${list}{${name}}`;
  }
  return undefined;
}
