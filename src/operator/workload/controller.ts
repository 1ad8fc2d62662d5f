import { createHash } from 'node:crypto';
import { ANNOTATION_WORKLOAD, API_VERSION, LABEL_WORKLOAD } from '../../api/group.ts';
import { isAlreadyExists, isNotFound, isRefused } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Reconcile } from '../../kube/controller.ts';
import { pods, type Pod } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { Informer } from '../../kube/informer.ts';
import { controllerOf, isDeleting } from '../../kube/object.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { schedulingFor } from '../pod/placement.ts';

export interface WorkloadContext {
  readonly client: KubeClient;
  readonly vms: Informer<VirtualMachine>;
  /** Pods that are the workloads of machines. */
  readonly workloads: Informer<Pod>;
  readonly events: EventRecorder;
}

/** Runs the containers that a machine's own spec lists, as a pod of the machine's name in its guest. */
export class WorkloadReconciler {
  readonly #context: WorkloadContext;

  constructor(context: WorkloadContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { vms, workloads, client, events } = this.#context;
    const vm = vms.get(key);
    const pod = workloads.get(key);
    const isOurs = pod !== undefined && (vm === undefined || controllerOf(pod)?.uid === vm.metadata.uid);
    const wanted = vm === undefined || isDeleting(vm) ? undefined : workloadOf(vm);
    if (pod !== undefined) {
      const isOutdated = wanted === undefined || pod.metadata.annotations?.[ANNOTATION_WORKLOAD] !== wanted.metadata.annotations?.[ANNOTATION_WORKLOAD];
      if (isOurs && isOutdated && !isDeleting(pod)) await this.#remove(pod, signal);
      return;
    }
    if (vm === undefined || wanted === undefined) return;
    try {
      await client.create(pods, wanted, { signal });
    } catch (error) {
      if (isAlreadyExists(error)) events.record(vm, { type: 'Warning', reason: 'NameTaken', message: `a pod ${wanted.metadata.name} is in the way of this machine's containers; delete it or rename the machine` });
      else if (isRefused(error)) events.record(vm, { type: 'Warning', reason: 'ContainersRefused', message: `the machine's containers: ${(error as Error).message}` });
      throw error;
    }
  };

  async #remove({ metadata: { name, namespace, uid } }: Pod, signal: AbortSignal): Promise<void> {
    try {
      await this.#context.client.delete(pods, { name, ...(namespace === undefined ? {} : { namespace }) }, { ...(uid === undefined ? {} : { preconditions: { uid } }), signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Undefined when the machine lists no containers. */
export function workloadOf({ metadata, spec }: VirtualMachine): Pod | undefined {
  const { containers, initContainers } = spec;
  if (containers === undefined || containers.length === 0) return undefined;
  const namespace = metadata.namespace ?? 'default';
  const digest = createHash('sha256').update(JSON.stringify([containers, initContainers])).digest('hex');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: metadata.name,
      namespace,
      labels: { [LABEL_WORKLOAD]: metadata.name },
      annotations: { [ANNOTATION_WORKLOAD]: digest.slice(0, 16) },
      ownerReferences: [{ apiVersion: API_VERSION, kind: 'VirtualMachine', name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      ...schedulingFor({ virtualMachine: { name: metadata.name } }, namespace, {}),
      containers,
      ...(initContainers === undefined ? {} : { initContainers }),
    },
  };
}
