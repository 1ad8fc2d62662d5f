import { amountOf } from '../../base/quantity.ts';
import type { PodManifest, PodStatusReport } from './pod.ts';

export type QosClass = NonNullable<PodStatusReport['qosClass']>;

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ */
export function qosClassOf({ spec }: PodManifest): QosClass {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const requests = new Map<string, number>();
  const limits = new Map<string, number>();
  let guaranteed = true;
  for (const { resources = {} } of containers) {
    add(requests, resources.requests);
    const named = add(limits, resources.limits);
    if (named.length < 2) guaranteed = false;
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  const equal = requests.size === limits.size && [...requests].every(([name, value]) => limits.get(name) === value);
  return guaranteed && equal ? 'Guaranteed' : 'Burstable';
}

/** Adds what counts to the sums; the names of what was there. */
function add(sums: Map<string, number>, quantities: Readonly<Record<string, string>> = {}): readonly string[] {
  const counted = ['cpu', 'memory'].map((name) => [name, amountOf(quantities[name])] as const).filter(([, value]) => value > 0);
  for (const [name, value] of counted) sums.set(name, (sums.get(name) ?? 0) + value);
  return counted.map(([name]) => name);
}
