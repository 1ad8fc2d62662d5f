import { amountOf, millicpuOf } from '../../base/quantity.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import { containersOf, isSidecar } from './restart.ts';

/** Amounts by name: `cpu` in thousandths, everything else in units. */
export type Amounts = ReadonlyMap<string, number>;

/**
 * What a node has to have for the pod: all that runs at the same time, at the worst moment. A limit without a request is
 * a request: the API server writes it so.
 * https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
 */
export function requestsOf(pod: PodManifest): Amounts {
  return atWorst(pod, ({ resources }) => amounts(resources?.requests));
}

/** Bytes that the pod may use at most; undefined when one of its containers has no limit. */
export function memoryLimitOf(pod: PodManifest): number | undefined {
  const limitOf = ({ resources }: ContainerSpec): Amounts => amounts(resources?.limits);
  const isLimited = containersOf(pod).every((container) => (limitOf(container).get('memory') ?? 0) > 0);
  return isLimited ? atWorst(pod, limitOf).get('memory') : undefined;
}

function atWorst({ spec }: PodManifest, amountsOf: (container: ContainerSpec) => Amounts): Amounts {
  let sidecars: Amounts = new Map();
  let worstInit: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = amountsOf(container);
    if (isSidecar(container)) sidecars = sum(sidecars, own);
    worstInit = most(worstInit, isSidecar(container) ? sidecars : sum(sidecars, own));
  }
  const running = spec.containers.map(amountsOf).reduce(sum, sidecars);
  return sum(most(running, worstInit), amounts(spec.overhead));
}

export function amounts(quantities: Readonly<Record<string, string>> = {}): Amounts {
  return new Map(Object.entries(quantities).map(([name, quantity]) => [name, name === 'cpu' ? millicpuOf(quantity) : Math.ceil(amountOf(quantity))]));
}

export function sum(left: Amounts, right: Amounts): Amounts {
  return combined(left, right, (a, b) => a + b);
}

function most(left: Amounts, right: Amounts): Amounts {
  return combined(left, right, Math.max);
}

function combined(left: Amounts, right: Amounts, both: (a: number, b: number) => number): Amounts {
  return new Map([...new Set([...left.keys(), ...right.keys()])].map((name) => [name, both(left.get(name) ?? 0, right.get(name) ?? 0)]));
}
