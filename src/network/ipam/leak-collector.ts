import { systemClock, type Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { silentLog, type Log } from '../../base/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { pods, type Pod } from '../../kube/core.ts';
import { containerOfHandle } from '../handle.ts';
import type { AddressHandle } from '../port.ts';
import { allocationsOf, type Allocation } from './block.ts';
import type { CalicoIpam } from './calico-ipam.ts';

export interface LeakCollectorOptions {
  readonly client: KubeClient;
  readonly ipam: CalicoIpam;
  readonly node: string;
  /** Whether this node still has the container: it was added and not removed. */
  readonly isKnown: (containerId: string) => boolean;
  /** Time between two looks, in milliseconds. Default 300 000. */
  readonly everyMs?: number;
  readonly log?: Log;
  readonly clock?: Clock;
}

/**
 * Releases addresses of this node's containers that nobody has any more: neither the node knows the container nor does
 * the API have a live pod with that address. Only what looked leaked twice in a row, unchanged, is released, and of a
 * handle all or nothing. Addresses of VMs are never touched: they are their VMs'.
 */
export class LeakCollector implements AsyncDisposable {
  readonly #options: LeakCollectorOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stop = new AbortController();
  #suspects: ReadonlyMap<string, string> = new Map();
  #running: Promise<void> | undefined;

  constructor(options: LeakCollectorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the leak collector was stopped'));
    await this.#running;
  }

  /** One look; returns the handles that were released. */
  async collect(signal?: AbortSignal): Promise<readonly string[]> {
    const { client, ipam, node } = this.#options;
    // Blocks first: a container that is added in between is then in neither.
    const blocks = await ipam.blocks.listAll(signal);
    const { items } = await client.listAll(pods, { fieldSelector: `spec.nodeName=${node}`, ...(signal === undefined ? {} : { signal }) });
    const held = new Map<string, Allocation[]>();
    for (const allocation of blocks.flatMap((block) => allocationsOf(block.spec))) {
      if (allocation.handle === undefined || allocation.attributes['node'] !== node) continue;
      held.set(allocation.handle, [...(held.get(allocation.handle) ?? []), allocation]);
    }
    const leaked = new Map([...held].filter(([handle, allocations]) => this.#isLeaked(handle, allocations, items)).map(([handle, allocations]) => [handle, versionOf(allocations)]));
    const due = [...leaked].filter(([handle, version]) => this.#suspects.get(handle) === version).map(([handle]) => handle);
    this.#suspects = leaked;
    for (const handle of due) {
      await ipam.release(handle as AddressHandle, signal);
      this.#log.warn({ handle }, 'released a leaked address');
    }
    return due;
  }

  #isLeaked(handle: string, allocations: readonly Allocation[], live: readonly Pod[]): boolean {
    const container = containerOfHandle(handle);
    if (container === undefined || this.#options.isKnown(container)) return false;
    return allocations.every(({ attributes, address }) => {
      const pod = live.find(({ metadata }) => metadata.name === attributes['pod'] && metadata.namespace === attributes['namespace']);
      if (pod === undefined) return true;
      // A pod without an address yet may be the one that is being added.
      const podIP = pod.status?.podIP;
      return podIP !== undefined && podIP !== '' && podIP !== address;
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(this.#options.everyMs ?? 300_000, signal);
        await this.collect(signal);
      } catch (error) {
        if (!signal.aborted) this.#log.warn({ error: messageOf(error) }, 'leaked addresses could not be looked for');
      }
    }
  }
}

function versionOf(allocations: readonly Allocation[]): string {
  return allocations.map(({ address, sequenceNumber }) => `${address}#${sequenceNumber}`).sort().join(' ');
}
