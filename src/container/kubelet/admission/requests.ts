import { amountOf, millicpuOf } from '../../../base/quantity.ts';
import type { ContainerSpec, PodManifest } from '../pod.ts';
import { isSidecar } from '../restart.ts';

/** Amounts by name: `cpu` in thousandths, everything else in units. */
export type Amounts = ReadonlyMap<string, number>;

/**
 * What a node has to have for the pod: all that runs at the same time, at the worst moment.
 * https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
 */
export function requestsOf({ spec }: PodManifest): Amounts {
  let sidecars: Amounts = new Map();
  let worstInit: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = requestsOfContainer(container);
    if (isSidecar(container)) sidecars = sum(sidecars, own);
    worstInit = most(worstInit, isSidecar(container) ? sidecars : sum(sidecars, own));
  }
  const running = spec.containers.map(requestsOfContainer).reduce(sum, sidecars);
  return sum(most(running, worstInit), amounts(spec.overhead));
}

/** A limit without a request is a request: the API server writes it so. */
function requestsOfContainer({ resources }: ContainerSpec): Amounts {
  return amounts(resources?.requests);
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
