import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ContainerRuntime } from '../container/port.ts';
import { FINALIZER_GUEST } from '../api/group.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Result } from '../kube/controller.ts';
import { pods } from '../kube/core.ts';
import type { NodeNetwork } from '../network/port.ts';
import type { GuestState, Hypervisor } from '../vm/port.ts';
import { isHeld, type Anchor } from './anchor.ts';
import type { ConsoleForwarders } from './console-forwarders.ts';
import type { EndpointRegistry } from './endpoint-registry.ts';

export interface GuestStopperOptions {
  readonly client: KubeClient;
  readonly hypervisor: Hypervisor;
  readonly network: NodeNetwork;
  readonly runtime: ContainerRuntime;
  readonly endpoints: EndpointRegistry;
  readonly consoles: ConsoleForwarders;
  readonly clock: Clock;
  readonly log: Log;
}

/** The anchor's grace period is the guest's and this margin. */
const GRACE_MARGIN_MS = 30_000;
/** A guest that was too young to hear the power button is asked again. */
const ASK_AGAIN_MS = 2000;

/** Ends the guest of an anchor that is being deleted, and lets the anchor go when nothing of the guest is left. */
export class GuestStopper {
  readonly #options: GuestStopperOptions;

  constructor(options: GuestStopperOptions) {
    this.#options = options;
  }

  /** Asks the guest to shut down, or ends it when its time is over; a result means: look again after that. */
  async stop(anchor: Anchor, state: GuestState, signal: AbortSignal): Promise<Result | undefined> {
    if (state.phase !== 'running') return undefined;
    const { hypervisor, clock } = this.#options;
    const { deletionTimestamp = '', deletionGracePeriodSeconds = 0 } = anchor.pod.metadata;
    const marginMs = Math.min(GRACE_MARGIN_MS, deletionGracePeriodSeconds * 1000);
    const leftMs = Date.parse(deletionTimestamp) - marginMs - clock.now();
    if (leftMs <= 0 || state.paused) {
      await hypervisor.destroy(anchor.guest.uid, signal);
      return undefined;
    }
    await hypervisor.shutdown(anchor.guest.uid, signal);
    return { requeueAfterMs: Math.min(leftMs, ASK_AGAIN_MS) };
  }

  /** Removes guest and tap, ends the anchor's container, and takes the finalizer off. */
  async release(anchor: Anchor, signal: AbortSignal): Promise<void> {
    const { hypervisor, network, endpoints, consoles } = this.#options;
    await hypervisor.remove(anchor.guest.uid, signal);
    await network.removeGuest(anchor.namespace, anchor.name, signal);
    await consoles.close(anchor);
    endpoints.forget(anchor.key);
    await Promise.all([this.endContainer(anchor, signal), this.#letGo(anchor, signal)]);
  }

  /**
   * The kubelet waits for the container, which waits for nothing: ended at once. If it fails, the kubelet does it later.
   * To be called again when the pod changes: the container of a guest that lived shortly may become known only after
   * the guest is gone.
   */
  async endContainer(anchor: Pick<Anchor, 'key' | 'pod'>, signal: AbortSignal): Promise<void> {
    const ids = (anchor.pod.status?.containerStatuses ?? []).flatMap(({ containerID, state }) => (containerID === undefined || state?.terminated !== undefined ? [] : [containerID.replace(/^\w+:\/\//, '')]));
    for (const id of ids) {
      await this.#options.runtime.stopContainer(id, 0, signal).catch((error: unknown) => {
        this.#options.log.debug({ anchor: anchor.key, error: messageOf(error) }, 'the kubelet will end the container');
      });
    }
  }

  async #letGo(anchor: Anchor, signal: AbortSignal): Promise<void> {
    if (!isHeld(anchor.pod)) return;
    const { namespace, name, finalizers = [] } = anchor.pod.metadata;
    try {
      const index = finalizers.indexOf(FINALIZER_GUEST);
      await this.#options.client.patch(pods, { namespace: namespace ?? 'default', name }, [
        { op: 'test', path: `/metadata/finalizers/${index}`, value: FINALIZER_GUEST },
        { op: 'remove', path: `/metadata/finalizers/${index}` },
      ], { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
