import type { Clock } from '../../base/clock.ts';
import type { GuestLink } from '../../container/link/port.ts';
import type { Pod } from '../../kube/core.ts';
import { keyFor } from '../../kube/object.ts';
import type { Anchor } from '../anchor.ts';
import { GuestGoneError, VirtualNode, type LiveNode, type VirtualNodeOptions } from './virtual-node.ts';

export interface VirtualNodesOptions extends VirtualNodeOptions {
  readonly clock: Clock;
  /** The way into the guest of a machine, by its uid. */
  readonly link: (machineUid: string) => GuestLink;
}

interface Running {
  readonly node: VirtualNode;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** The guests of this host that are nodes themselves. */
export class VirtualNodes implements AsyncDisposable {
  readonly #options: VirtualNodesOptions;
  /** By the uid of the anchor: a run of the guest. */
  readonly #running = new Map<string, Running>();

  constructor(options: VirtualNodesOptions) {
    this.#options = options;
  }

  /** The guest runs. Further calls for the same anchor change nothing. */
  running(anchor: Anchor): void {
    const host = anchor.guest.containerHost;
    if (host === undefined || this.#running.has(anchor.uid)) return;
    const stop = new AbortController();
    const link = this.#options.link(anchor.guest.uid);
    const node = new VirtualNode(this.#options, { host, link });
    const done = this.#serve(node, link, stop.signal);
    this.#running.set(anchor.uid, { node, stop, done });
  }

  async #serve(node: VirtualNode, link: GuestLink, signal: AbortSignal): Promise<void> {
    await using _link = link;
    await node.run(signal);
  }

  /** The guest has ended, or is about to. */
  async gone(anchor: Anchor): Promise<void> {
    const running = this.#running.get(anchor.uid);
    this.#running.delete(anchor.uid);
    running?.stop.abort(new GuestGoneError());
    await running?.done;
  }

  /** The nodes that are up. */
  live(): readonly LiveNode[] {
    return [...this.#running.values()].map(({ node }) => node.live).filter((live) => live !== undefined);
  }

  /** The pod of one of the nodes, by its name; undefined when none has it. */
  find(namespace: string, name: string): { readonly pod: Pod; readonly node: LiveNode } | undefined {
    for (const node of this.live()) {
      const pod = node.pods.get(keyFor(namespace, name));
      if (pod !== undefined) return { pod, node };
    }
    return undefined;
  }

  /** Leaves everything in the guests as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#running.values()];
    this.#running.clear();
    for (const { stop } of all) stop.abort(new Error('the agent ends'));
    await Promise.all(all.map(({ done }) => done));
  }
}
