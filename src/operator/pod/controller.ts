import { isDeepStrictEqual } from 'node:util';
import { API_VERSION, LABEL_POD } from '../../api/group.ts';
import type { PodPlacement, PodStatus as YadoPodStatus } from '../../api/pod.ts';
import type { Clock } from '../../base/clock.ts';
import { isAlreadyExists, isRefused } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { conditionOf, mergeConditions, type ConditionDraft } from '../../kube/conditions.ts';
import type { Reconcile } from '../../kube/controller.ts';
import { pods, type Pod } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { Informer } from '../../kube/informer.ts';
import { controllerOf, isDeleting, keyFor } from '../../kube/object.ts';
import { virtualMachines, yadoPods, type VirtualMachine, type YadoPod } from '../../kube/yadokari.ts';
import { isolatedMachine, isolatedMachineName } from './isolation.ts';
import { placementProblem, type PlacementProblem } from './placement-problem.ts';
import { schedulingFor, wordFor, type SchedulingFields } from './placement.ts';

export interface PodContext {
  readonly client: KubeClient;
  readonly yadoPods: Informer<YadoPod>;
  /** The core/v1 Pods made from ours. */
  readonly pods: Informer<Pod>;
  readonly vms: Informer<VirtualMachine>;
  readonly events: EventRecorder;
  readonly clock: Clock;
}

const FIELD_MANAGER = 'yadokari-operator';

/** Turns a Pod into a core/v1 Pod of the same name and mirrors its state. Deletion is Kubernetes' garbage collection. */
export class PodReconciler {
  readonly #context: PodContext;

  constructor(context: PodContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const pod = this.#context.yadoPods.get(key);
    if (pod === undefined || isDeleting(pod)) return;
    const core = this.#context.pods.get(key);
    if (pod.spec.placement?.isolated !== undefined && !(await this.#isolate(pod, pod.spec.placement.isolated, core, signal))) return;
    if (core === undefined) return this.#create(pod, signal);
    if (controllerOf(core)?.uid !== pod.metadata.uid) return this.#refuse(pod, 'NameTaken', `a pod ${pod.metadata.name} that is not ours is in the way; delete it or rename this one`, signal);
    await this.#report(pod, statusOf(pod, core, this.#problem(pod, core), this.#context.clock.now()), signal);
  };

  async #create(pod: YadoPod, signal: AbortSignal): Promise<void> {
    try {
      await this.#context.client.create(pods, corePodOf(pod), { signal });
    } catch (error) {
      if (isAlreadyExists(error)) return this.#refuse(pod, 'NameTaken', `a pod ${pod.metadata.name} is in the way; delete it or rename this one`, signal);
      if (isRefused(error)) await this.#refuse(pod, 'Refused', (error as Error).message, signal);
      throw error;
    }
  }

  /** Makes the pod's own machine, and stops it once the pod has ended. False: another machine has its name. */
  async #isolate(pod: YadoPod, placement: NonNullable<PodPlacement['isolated']>, core: Pod | undefined, signal: AbortSignal): Promise<boolean> {
    const { client, vms } = this.#context;
    const name = isolatedMachineName(pod);
    const vm = vms.get(keyFor(pod.metadata.namespace, name));
    if (vm === undefined) {
      await client.create(virtualMachines, isolatedMachine(pod, placement), { signal }).catch((error: unknown) => {
        // The cache may be behind.
        if (!isAlreadyExists(error)) throw error;
      });
      return true;
    }
    if (controllerOf(vm)?.uid !== pod.metadata.uid) {
      await this.#refuse(pod, 'NameTaken', `a VirtualMachine ${name} that is not this pod's is in the way; delete it or rename the pod`, signal);
      return false;
    }
    const hasEnded = core?.status?.phase === 'Succeeded' || core?.status?.phase === 'Failed';
    if (hasEnded && vm.spec.runStrategy !== 'Halted') {
      const { namespace } = vm.metadata;
      await client.patch(virtualMachines, { name, ...(namespace === undefined ? {} : { namespace }) }, { spec: { runStrategy: 'Halted' } }, { signal });
    }
    return true;
  }

  #problem(pod: YadoPod, core: Pod): PlacementProblem | undefined {
    if (core.spec.nodeName !== undefined) return undefined;
    return placementProblem(machineNameOf(pod), (name) => this.#context.vms.get(keyFor(pod.metadata.namespace, name)));
  }

  async #refuse(pod: YadoPod, reason: string, message: string, signal: AbortSignal): Promise<void> {
    const known = conditionOf(pod.status?.conditions, 'Ready');
    if (known?.reason === reason && known.message === message) return;
    const draft: ConditionDraft = { type: 'Ready', status: 'False', reason, message };
    await this.#report(pod, { phase: 'Failed', ready: `0/${pod.spec.containers.length}`, placement: wordFor(pod.spec.placement), conditions: [...mergeConditions(pod.status?.conditions, [draft], this.#context.clock.now())] }, signal);
    this.#context.events.record(pod, { type: 'Warning', reason, message });
  }

  async #report(pod: YadoPod, status: YadoPodStatus, signal: AbortSignal): Promise<void> {
    if (isDeepStrictEqual(pod.status, status)) return;
    const { name, namespace } = pod.metadata;
    await this.#context.client.apply(yadoPods, { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
  }
}

/** The one machine that the pod can be in, if there is only one. */
export function machineNameOf(pod: YadoPod): string | undefined {
  const { placement } = pod.spec;
  return placement?.isolated === undefined ? placement?.virtualMachine?.name : isolatedMachineName(pod);
}

function corePodOf(pod: YadoPod): Pod {
  const { name, namespace, labels, annotations, uid } = pod.metadata;
  const { placement, ...spec } = pod.spec;
  const { 'kubectl.kubernetes.io/last-applied-configuration': _applied, ...passed } = annotations ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...labels, [LABEL_POD]: name },
      annotations: passed,
      ownerReferences: [{ apiVersion: API_VERSION, kind: 'Pod', name, uid: uid ?? '', controller: true, blockOwnerDeletion: true }],
    },
    spec: { ...spec, ...schedulingFor(placement?.isolated === undefined ? placement : { virtualMachine: { name: isolatedMachineName(pod) } }, namespace ?? 'default', spec as SchedulingFields) },
  };
}

const MIRRORED = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'];

function statusOf(pod: YadoPod, core: Pod, problem: PlacementProblem | undefined, nowMs: number): YadoPodStatus {
  const containers = core.status?.containerStatuses ?? [];
  const drafts = MIRRORED.flatMap((type): ConditionDraft[] => {
    const condition = conditionOf(core.status?.conditions, type);
    if (condition === undefined) return [];
    const waiting = containers.map((container) => container.state?.waiting).find((state) => state?.message !== undefined || state?.reason !== undefined);
    const why = condition.status === 'False' ? problem ?? waiting : undefined;
    return [{ type, status: condition.status, reason: why?.reason ?? condition.reason ?? (condition.status === 'True' ? 'AsExpected' : 'NotYet'), message: why?.message ?? condition.message ?? '' }];
  });
  return {
    phase: core.status?.phase ?? 'Pending',
    ready: `${containers.filter((container) => container.ready).length}/${core.spec.containers.length}`,
    placement: wordFor(pod.spec.placement),
    pod: core.metadata.name,
    ...(core.spec.nodeName === undefined ? {} : { node: core.spec.nodeName }),
    ...(core.status?.podIP === undefined ? {} : { address: core.status.podIP }),
    conditions: [...mergeConditions(pod.status?.conditions, drafts, nowMs)],
  };
}
