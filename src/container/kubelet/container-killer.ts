import { messageOf } from '../../base/errors.ts';
import type { KillReason } from './kills.ts';
import { runHook } from './hooks.ts';
import { restoredPod } from './labels.ts';
import type { ObservedContainer, ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import type { KubeletContext } from './port.ts';
import { containersOf } from './restart.ts';
import { TerminationOrder } from './termination-order.ts';

/** However little time is left, a container gets this much between SIGTERM and SIGKILL. */
const LEAST_GRACE_SECONDS = 2;

export interface KillRequest {
  readonly pod: PodManifest;
  readonly container: ContainerSpec;
  readonly id: string;
  /** Of the pod, for hooks. */
  readonly address: string;
  /** For the event. Default: that it is being stopped. */
  readonly message?: string;
  readonly reason?: KillReason;
  readonly order?: TerminationOrder;
  /** In place of the pod's own. */
  readonly graceSeconds?: number;
}

/** Ends containers as the kubelet does: preStop hook, SIGTERM, and SIGKILL when the grace period is over. */
export class ContainerKiller {
  readonly #context: KubeletContext;

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  /** Resolves when the container has ended. */
  async kill(request: KillRequest, signal: AbortSignal): Promise<void> {
    const { cri, clock } = this.#context;
    const { pod, container, id, order, message = `Stopping container ${container.name}` } = request;
    this.#context.event(pod, { type: 'Normal', reason: 'Killing', message, container: container.name });
    const begun = clock.now();
    const graceSeconds = request.graceSeconds ?? graceOf(request);
    const left = (): number => graceSeconds - Math.floor((clock.now() - begun) / 1000);
    const preStop = container.lifecycle?.preStop;
    if (preStop !== undefined && left() > 0) await this.#atMost(left(), (limited) => this.#preStop(request, limited), signal);
    if (order !== undefined && left() > 0) await this.#atMost(left(), () => order.turnOf(container.name), signal);
    await cri.stopContainer(id, Math.max(left(), LEAST_GRACE_SECONDS), signal);
    order?.ended(container.name);
  }

  /** Ends all of a pod that runs, and its sandboxes. */
  async killPod(pod: PodManifest, observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { cri } = this.#context;
    const running = observed.containers.filter(({ state }) => state === 'RUNNING' || state === 'UNKNOWN');
    const order = new TerminationOrder(pod, running.map(({ name }) => name));
    const address = observed.sandboxes[0]?.address ?? '';
    await Promise.all(running.map(async ({ id, name }) => {
      const container = containersOf(pod).find((candidate) => candidate.name === name) ?? { name, image: '' };
      await this.kill({ pod, container, id, address, order }, signal);
    }));
    for (const { id } of observed.sandboxes) await cri.stopSandbox(id, signal);
  }

  /** Ends what is left of a pod that the API does not know any more, by what the runtime has noted of it. */
  async killOrphan(observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { cri } = this.#context;
    const running = observed.containers.filter(({ state }) => state === 'RUNNING' || state === 'UNKNOWN');
    await Promise.all(running.map((container) => this.#killForgotten(container, observed, signal)));
    for (const { id } of observed.sandboxes) await cri.stopSandbox(id, signal);
  }

  async #killForgotten({ id }: ObservedContainer, observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const status = await this.#context.cri.containerStatus(id, signal);
    if (status === undefined) return;
    await this.kill({ ...restoredPod(status.labels, status.annotations), id, address: observed.sandboxes[0]?.address ?? '', graceSeconds: 1 }, signal);
  }

  async #preStop({ pod, container, id, address }: KillRequest, signal: AbortSignal): Promise<void> {
    const hook = container.lifecycle?.preStop;
    if (hook === undefined) return;
    try {
      await runHook(hook, this.#context, { pod, id, container, address, signal });
    } catch (error) {
      if (signal.aborted) return;
      // What it printed is not for everybody who reads events.
      this.#context.event(pod, { type: 'Warning', reason: 'FailedPreStopHook', message: 'PreStopHook failed', container: container.name });
      this.#context.log.debug({ pod: pod.metadata.name, container: container.name, error: messageOf(error) }, 'the preStop hook failed');
    }
  }

  async #atMost(seconds: number, work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const limited = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([work(limited), this.#context.clock.sleep(seconds * 1000, limited)]);
    } finally {
      over.abort(new Error('the grace period is over'));
    }
    signal.throwIfAborted();
  }
}

function graceOf({ pod, container, reason }: KillRequest): number {
  const { deletionGracePeriodSeconds } = pod.metadata;
  if (deletionGracePeriodSeconds !== undefined) return deletionGracePeriodSeconds;
  const probe = reason === 'liveness' ? container.livenessProbe : reason === 'startup' ? container.startupProbe : undefined;
  return probe?.terminationGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? LEAST_GRACE_SECONDS;
}
