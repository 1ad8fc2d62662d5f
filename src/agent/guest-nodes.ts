import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { PodNetwork } from '../network/port.ts';
import type { Anchor } from './anchor.ts';
import { machineOf } from './guest-starter.ts';
import type { VirtualNodes } from './virtual-nodes/virtual-nodes.ts';

export interface GuestNodesOptions {
  /** Made when the first guest that is a node runs: hosts without one do not pay for it. */
  readonly create: (network: PodNetwork) => Promise<VirtualNodes>;
  /** Undefined where the network has no addresses for pods in guests. */
  readonly network: PodNetwork | undefined;
  readonly events: EventRecorder;
  readonly log: Log;
}

/** Which guests of this host are nodes, told as they come and go. */
export class GuestNodes implements AsyncDisposable {
  readonly #options: GuestNodesOptions;
  /** Addresses of such guests that run, by the uid of their anchor. */
  readonly #running = new Map<string, string>();
  #nodes: Promise<VirtualNodes> | undefined;

  constructor(options: GuestNodesOptions) {
    this.#options = options;
  }

  /** The guest runs; may be said again at any time. */
  running(anchor: Anchor, address: string): void {
    const { network, events, create, log } = this.#options;
    if (anchor.guest.containerHost === undefined) return;
    const isNew = !this.#running.has(anchor.uid);
    this.#running.set(anchor.uid, address);
    if (!isNew) return;
    if (network === undefined) {
      events.record(machineOf(anchor), { type: 'Warning', reason: 'NoNetworkForPods', message: 'containerHost has no effect here: the network of this cluster gives no addresses to pods in guests; install Yadokari with its native network for that' });
      return;
    }
    this.#nodes ??= create(network);
    this.#nodes.then((nodes) => {
      if (this.#running.has(anchor.uid)) nodes.running(anchor, () => this.#running.get(anchor.uid) ?? address);
    }, (error: unknown) => log.error({ error: messageOf(error) }, 'guests cannot be nodes'));
  }

  /** The guest has ended. Resolves once its Node says so, or cannot. */
  async gone(anchor: Anchor): Promise<void> {
    if (!this.#running.delete(anchor.uid)) return;
    await (await this.#nodes)?.gone(anchor);
  }

  /** Leaves everything in the guests as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#running.clear();
    await (await this.#nodes)?.[Symbol.asyncDispose]();
  }
}
