import type { GuestLink } from '../../container/link/port.ts';
import type { Anchor } from '../anchor.ts';
import type { NodeCertificates } from './node-certificates.ts';
import { GuestGoneError, type VirtualNodeOptions } from './options.ts';
import { VirtualNode } from './virtual-node.ts';

export interface VirtualNodesOptions extends VirtualNodeOptions {
  /** The way into the guest of a machine. Its address may change while it runs. */
  readonly link: (anchor: Anchor, address: () => string) => Promise<GuestLink>;
  /** Those that the machine's node has had. */
  readonly certificates: (anchor: Anchor) => NodeCertificates;
}

interface Running {
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
  running(anchor: Anchor, address: () => string): void {
    if (anchor.guest.containerHost === undefined || this.#running.has(anchor.uid)) return;
    const stop = new AbortController();
    this.#running.set(anchor.uid, { stop, done: this.#serve(anchor, address, stop.signal) });
  }

  /** The guest has ended, or is about to. */
  async gone(anchor: Anchor): Promise<void> {
    const running = this.#running.get(anchor.uid);
    this.#running.delete(anchor.uid);
    running?.stop.abort(new GuestGoneError());
    await running?.done;
  }

  /** Leaves everything in the guests as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#running.values()];
    this.#running.clear();
    for (const { stop } of all) stop.abort(new Error('the agent ends'));
    await Promise.all(all.map(({ done }) => done));
  }

  async #serve(anchor: Anchor, address: () => string, signal: AbortSignal): Promise<void> {
    const { guest: { containerHost: host }, namespace } = anchor;
    if (host === undefined) return;
    await using link = await this.#options.link(anchor, address);
    await new VirtualNode(this.#options, { host, namespace, link, certificates: this.#options.certificates(anchor) }).run(signal);
  }
}
