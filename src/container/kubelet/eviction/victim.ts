import { amountOf, exactBytes } from '../../../base/quantity.ts';
import type { PodManifest } from '../pod.ts';
import type { Eviction, Shortage, ShortResource } from './port.ts';
import { diskOf, memoryOf, requestOf, type PodUsage } from './usage.ts';

/** From this priority on a pod is critical to its cluster. https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/ */
const CRITICAL = 2_000_000_000;

/** Pods that may be driven out. */
export function isEvictable({ spec: { priority = 0 } }: PodManifest): boolean {
  return priority < CRITICAL;
}

/**
 * Who has to go, and why, in the kubelet's words; undefined when nobody may. Who uses more than was asked for goes
 * before who does not, then by priority, then who uses most beyond what was asked for.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction
 */
export function victimOf(shortage: Shortage, usages: readonly PodUsage[]): { readonly pod: PodManifest; readonly eviction: Eviction } | undefined {
  const { resource } = shortage;
  const excess = (usage: PodUsage): number => usedOf(usage, resource) - requestedOf(usage.pod, resource);
  const [victim] = usages.filter(({ pod }) => isEvictable(pod)).toSorted((one, other) =>
    Number(excess(other) > 0) - Number(excess(one) > 0) || (one.pod.spec.priority ?? 0) - (other.pod.spec.priority ?? 0) || excess(other) - excess(one));
  return victim === undefined ? undefined : { pod: victim.pod, eviction: { message: messageOf(shortage, victim), isDisruption: true } };
}

function usedOf(usage: PodUsage, resource: ShortResource): number {
  return resource === 'memory' ? memoryOf(usage) : diskOf(usage);
}

function requestedOf(pod: PodManifest, resource: ShortResource): number {
  return resource === 'inodes' ? 0 : requestOf(pod, resource);
}

function messageOf({ resource, threshold, available }: Shortage, { pod, containers }: PodUsage): string {
  const amount = (value: number): string => (resource === 'inodes' ? String(value) : exactBytes(value));
  const greedy = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(({ name, resources }) => {
    const usage = containers.find((container) => container.name === name);
    const used = resource === 'memory' ? usage?.memoryBytes : resource === 'ephemeral-storage' ? usage?.diskBytes : undefined;
    const request = resources?.requests?.[resource] ?? '0';
    return used !== undefined && used > amountOf(request) ? [`Container ${name} was using ${exactBytes(used)}, request is ${request}, has larger consumption of ${resource}. `] : [];
  });
  return `The node was low on resource: ${resource}. Threshold quantity: ${amount(threshold)}, available: ${amount(available)}. ${greedy.join('')}`;
}
