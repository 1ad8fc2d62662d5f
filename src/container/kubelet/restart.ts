import { isDeleting } from '../../kube/object.ts';
import { newestOf, type ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';

/** An init container that goes on beside the others. */
export function isSidecar(container: ContainerSpec): boolean {
  return container.restartPolicy === 'Always';
}

export function restartPolicyOf({ spec }: PodManifest): 'Always' | 'OnFailure' | 'Never' {
  return spec.restartPolicy ?? 'Always';
}

/** All containers of the pod's definition. */
export function containersOf({ spec }: PodManifest): readonly ContainerSpec[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
}

/** Whether the container is to be started, as it has none that runs. */
export function isToBeStarted(container: ContainerSpec, pod: PodManifest, observed: ObservedPod): boolean {
  if (isDeleting(pod)) return false;
  const newest = newestOf(observed, container.name);
  if (newest === undefined) return true;
  if (newest.state === 'RUNNING') return false;
  if (newest.state !== 'EXITED') return true;
  const policy = restartPolicyOf(pod);
  return policy === 'Always' || (policy === 'OnFailure' && newest.exitCode !== 0);
}
