import { API_VERSION, LABEL_VIRTUAL_MACHINE } from '../../api/group.ts';
import { isAlreadyExists, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { podDisruptionBudgets, type PodDisruptionBudget } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { controllerOf, keyFor } from '../../kube/object.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';

export interface EvictionContext {
  readonly client: KubeClient;
  readonly budgets: Informer<PodDisruptionBudget>;
}

/** Begins with what is the matter, since this name is all that an evictor is told. */
export function budgetName(vm: VirtualMachine): string {
  return `evictionstrategy-block-${vm.metadata.name}`;
}

/**
 * Makes the machine's evictionStrategy true: with Block a PodDisruptionBudget refuses to evict its anchor (429), so
 * that a drain waits for a person; without, an eviction stops the guest cleanly and it starts where it may.
 */
export async function ensureEvictionStrategy({ client, budgets }: EvictionContext, vm: VirtualMachine, signal: AbortSignal): Promise<void> {
  const { namespace = 'default', uid = '' } = vm.metadata;
  const name = budgetName(vm);
  const existing = budgets.get(keyFor(namespace, name));
  const own = existing !== undefined && controllerOf(existing)?.uid === uid;
  if (vm.spec.evictionStrategy === 'Block') {
    if (!own) await client.create(podDisruptionBudgets, budgetOf(vm, name), { signal }).catch((error: unknown) => { if (!isAlreadyExists(error)) throw error; });
  } else if (own) {
    await client.delete(podDisruptionBudgets, { name, namespace }, { signal }).catch((error: unknown) => { if (!isNotFound(error)) throw error; });
  }
}

function budgetOf(vm: VirtualMachine, name: string): PodDisruptionBudget {
  const { namespace = 'default', uid = '', name: machine } = vm.metadata;
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: {
      name,
      namespace,
      labels: { [LABEL_VIRTUAL_MACHINE]: machine },
      ownerReferences: [{ apiVersion: API_VERSION, kind: 'VirtualMachine', name: machine, uid, controller: true, blockOwnerDeletion: false }],
    },
    spec: { minAvailable: 1, selector: { matchLabels: { [LABEL_VIRTUAL_MACHINE]: machine } } },
  };
}
