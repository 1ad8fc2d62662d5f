import type { Toleration } from '../../../api/pod-fields.ts';
import { isTrue } from '../../../kube/conditions.ts';
import type { Node, Taint } from '../../../kube/core.ts';
import { isEvictable } from '../eviction/victim.ts';
import type { Refusal } from '../materials/port.ts';
import type { PodManifest } from '../pod.ts';
import { amounts, requestsOf, sum } from '../pod-resources.ts';
import { qosClassOf } from '../qos.ts';
import { acceptsNode } from './node-affinity.ts';

/**
 * Why a pod that is bound to the node cannot be on it, in a kubelet's words; undefined when it can. The scheduler has
 * seen to it, but not everybody who binds a pod asks the scheduler. `others` are the pods that are on the node already.
 */
export function misfitOf(pod: PodManifest, node: Node, others: readonly PodManifest[]): Refusal | undefined {
  return pressed(pod, node) ?? tooMuch(pod, node, others) ?? unwanted(pod, node);
}

/** A node that is short of something takes nobody who would only be driven out again. */
function pressed(pod: PodManifest, { status }: Node): Refusal | undefined {
  const conditions = ['DiskPressure', 'MemoryPressure'].filter((type) => isTrue(status?.conditions, type));
  if (conditions.length === 0 || !isEvictable(pod)) return undefined;
  const onlyMemory = conditions.join() === 'MemoryPressure';
  if (onlyMemory && (qosClassOf(pod) !== 'BestEffort' || tolerates(pod, { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' }))) return undefined;
  return { reason: 'Evicted', message: `The node had condition: [${conditions.join(' ')}]. ` };
}

function tooMuch(pod: PodManifest, { status }: Node, others: readonly PodManifest[]): Refusal | undefined {
  const capacity = amounts(status?.allocatable);
  const used = others.map(requestsOf).reduce(sum, new Map<string, number>());
  const wanted: readonly (readonly [string, number, number])[] = [
    ['pods', 1, others.length],
    ...[...requestsOf(pod)].map(([name, amount]) => [name, amount, used.get(name) ?? 0] as const),
  ];
  for (const [name, amount, taken] of wanted) {
    // What the node does not have at all is the affair of whoever made the cluster schedule by it.
    const has = capacity.get(name);
    if (amount > 0 && has !== undefined && amount > has - taken) {
      return { reason: `OutOf${name}`, message: `Node didn't have enough resource: ${name}, requested: ${amount}, used: ${taken}, capacity: ${has}` };
    }
  }
  return undefined;
}

function unwanted(pod: PodManifest, { metadata, spec }: Node): Refusal | undefined {
  if (!acceptsNode(pod, metadata.name, metadata.labels ?? {})) return predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  const repels = (spec?.taints ?? []).some((taint) => taint.effect === 'NoExecute' && !tolerates(pod, taint));
  return repels ? predicate('TaintToleration', "node(s) had taints that the pod didn't tolerate") : undefined;
}

function predicate(name: string, why: string): Refusal {
  return { reason: name, message: `Predicate ${name} failed: ${why}` };
}

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
function tolerates({ spec }: PodManifest, taint: Taint): boolean {
  return ((spec['tolerations'] ?? []) as readonly Toleration[]).some(({ key, operator = 'Equal', value = '', effect }) =>
    (effect === undefined || effect === '' || effect === taint.effect)
    && (key === undefined || key === '' ? operator === 'Exists' : key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''))));
}
