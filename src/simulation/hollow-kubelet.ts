import { FINALIZER_GUEST } from '../api/group.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { isTrue, timestamp } from '../kube/conditions.ts';
import { Controller, type Result } from '../kube/controller.ts';
import { pods as podResource, type Pod } from '../kube/core.ts';
import { Informer } from '../kube/informer.ts';
import { isDeleting, keyOf, type ObjectKey } from '../kube/object.ts';
import type { SandboxAddresses } from './sandbox-addresses.ts';

export interface HollowKubeletOptions {
  readonly client: KubeClient;
  /** Whether a node of this name is one of the simulation. */
  readonly isOurs: (node: string) => boolean;
  readonly addresses: SandboxAddresses;
  /** From a bound pod to its sandbox with an address, in milliseconds. */
  readonly sandboxMs: number;
  /** From a bound pod to the report that its containers run. */
  readonly runningMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Sandbox {
  readonly uid: string | undefined;
  /** When the pod was first seen bound. */
  readonly at: number;
  address?: string;
}

const CONCURRENCY = 64;

/** What the API server sees of the kubelets of all simulated nodes, without any container. */
export class HollowKubelet {
  readonly pods: Informer<Pod>;
  readonly controller: Controller;
  readonly #options: HollowKubeletOptions;
  readonly #sandboxes = new Map<ObjectKey, Sandbox>();

  constructor(options: HollowKubeletOptions) {
    const { client, isOurs, clock, log } = options;
    this.#options = options;
    this.pods = new Informer(client, podResource, { fieldSelector: 'spec.nodeName!=', log });
    this.controller = new Controller({ name: 'hollow-kubelet', reconcile: (key, signal) => this.#reconcile(key, signal), clock, log, concurrency: CONCURRENCY })
      .watchMapped(this.pods, (pod) => (isOurs(pod.spec.nodeName ?? '') ? [keyOf(pod)] : []));
  }

  async #reconcile(key: ObjectKey, signal: AbortSignal): Promise<Result | undefined> {
    const pod = this.pods.get(key);
    if (pod === undefined || pod.metadata.uid !== this.#sandboxes.get(key)?.uid) this.#forget(key);
    if (pod === undefined) return undefined;
    if (isDeleting(pod)) return this.#end(key, pod, signal);
    const { addresses, clock, sandboxMs, runningMs } = this.#options;
    const sandbox = this.#sandbox(key, pod);
    const ageMs = clock.now() - sandbox.at;
    if (ageMs < sandboxMs && pod.status?.podIP === undefined) return { requeueAfterMs: sandboxMs - ageMs };
    sandbox.address ??= addresses.give(key, pod.status?.podIP);
    if (ageMs < runningMs && pod.status?.phase !== 'Running') return { requeueAfterMs: runningMs - ageMs };
    await this.#report(pod, sandbox, signal);
    return undefined;
  }

  #sandbox(key: ObjectKey, pod: Pod): Sandbox {
    const known = this.#sandboxes.get(key);
    if (known !== undefined) return known;
    const sandbox: Sandbox = { uid: pod.metadata.uid, at: this.#options.clock.now() };
    this.#sandboxes.set(key, sandbox);
    return sandbox;
  }

  #forget(key: ObjectKey): void {
    if (this.#sandboxes.delete(key)) this.#options.addresses.take(key);
  }

  /** The container of an anchor lasts as long as its guest; the pod then goes for good. */
  async #end(key: ObjectKey, { metadata, spec }: Pod, signal: AbortSignal): Promise<undefined> {
    const { name, namespace = 'default', finalizers = [], uid } = metadata;
    if (finalizers.includes(FINALIZER_GUEST)) return;
    try {
      await this.#options.client.delete(podResource, { name, namespace }, { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }), signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#forget(key);
    this.#options.log.debug({ pod: key, node: spec.nodeName }, 'pod is gone');
  }

  /** One report as a kubelet makes it, when what it would say has changed. */
  async #report(pod: Pod, { address = '', at }: Sandbox, signal: AbortSignal): Promise<void> {
    const { clock, client } = this.#options;
    const conditions = pod.status?.conditions;
    const gates = (pod.spec['readinessGates'] as readonly { readonly conditionType: string }[] | undefined) ?? [];
    const ready = gates.every(({ conditionType }) => isTrue(conditions, conditionType));
    if (pod.status?.phase === 'Running' && isTrue(conditions, 'Ready') === ready) return;
    const now = timestamp(clock.now());
    const condition = (type: string, holds: boolean): object => ({ type, status: holds ? 'True' : 'False', lastTransitionTime: now, ...(holds ? {} : { reason: 'ReadinessGatesNotReady' }) });
    const { name, namespace = 'default', uid = '' } = pod.metadata;
    const startedAt = timestamp(at);
    await client.patch(podResource, { name, namespace }, {
      metadata: { uid },
      status: {
        phase: 'Running', podIP: address, podIPs: [{ ip: address }], startTime: startedAt,
        conditions: [condition('PodReadyToStartContainers', true), condition('Initialized', true), condition('ContainersReady', true), condition('Ready', ready)],
        containerStatuses: pod.spec.containers.map((container) => ({
          name: container.name, image: String(container['image']), imageID: '', containerID: `simulated://${uid}.${container.name}`, ready: true, started: true, restartCount: 0, state: { running: { startedAt } },
        })),
      },
    }, { subresource: 'status', type: 'strategic', signal });
  }
}
