import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isAlreadyExists, isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { isTrue, microTimestamp, timestamp } from '../kube/conditions.ts';
import { leases, nodes as nodeResource, type Lease, type Node } from '../kube/core.ts';
import { Informer } from '../kube/informer.ts';

export interface NodeCapacity {
  readonly cpu: string;
  readonly memory: string;
  readonly pods: string;
}

export interface HollowNodesOptions {
  readonly client: KubeClient;
  readonly names: readonly string[];
  readonly capacity: NodeCapacity;
  readonly clock: Clock;
  readonly log: Log;
}

/** On every node of a simulation: what is meant for it says so by a nodeSelector. */
export const LABEL_SIMULATED = 'yadokari.dev/simulated';
const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;
/** As often as kubelets do. */
const RENEW_MS = 10_000;
/** Each a tenth of the nodes, so that no second has more to do than another. */
const SLOTS = 10;
/** Nodes that are registered side by side. */
const AT_ONCE = 16;

/** Node objects and their leases, kept as kubelets keep them. */
export class HollowNodes {
  readonly nodes: Informer<Node>;
  readonly #options: HollowNodesOptions;

  constructor(options: HollowNodesOptions) {
    this.#options = options;
    this.nodes = new Informer(options.client, nodeResource, { labelSelector: LABEL_SIMULATED, log: options.log });
  }

  /** Makes what is not there yet. */
  async register(signal: AbortSignal): Promise<void> {
    const rest = [...this.#options.names];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let name = rest.shift(); name !== undefined; name = rest.shift()) await this.#register(name, signal);
    }));
  }

  /** Renews leases, and answers for nodes that were given up, until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const { names, clock, log } = this.#options;
    const mine = new Set(names);
    const unwatch = this.nodes.onChange(({ type, object }) => {
      if (type === 'deleted' || !mine.has(object.metadata.name) || isTrue(object.status?.conditions, 'Ready')) return;
      log.warn({ node: object.metadata.name }, 'the node was given up; it says that it is there');
      this.#report(object.metadata.name, signal).catch((error: unknown) => log.warn({ error: messageOf(error) }, 'a node was not reported'));
    });
    try {
      for (let slot = 0; !signal.aborted; slot = (slot + 1) % SLOTS) {
        const due = names.filter((_name, index) => index % SLOTS === slot);
        // Nobody waits for these: a late answer must not delay the others.
        for (const name of due) this.#renew(name, signal).catch((error: unknown) => log.debug({ node: name, error: messageOf(error) }, 'a lease was not renewed'));
        await clock.sleep(RENEW_MS / SLOTS, signal).catch(() => {});
      }
    } finally {
      unwatch();
    }
  }

  /** Removes the nodes and their leases. */
  async remove(): Promise<void> {
    const { client, names } = this.#options;
    for (const name of names) {
      await Promise.all([client.delete(nodeResource, { name }), client.delete(leases, { namespace: LEASE_NAMESPACE, name })].map((deletion) => deletion.catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      })));
    }
  }

  async #register(name: string, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const known = (error: unknown): void => {
      if (!isAlreadyExists(error)) throw error;
    };
    await client.create(leases, this.#lease(name), { signal }).catch(known);
    await client.create(nodeResource, this.#node(name), { signal }).catch(known);
  }

  async #renew(name: string, signal: AbortSignal): Promise<void> {
    await this.#options.client.patch(leases, { namespace: LEASE_NAMESPACE, name }, { spec: { renewTime: microTimestamp(this.#options.clock.now()) } }, { signal });
  }

  async #report(name: string, signal: AbortSignal): Promise<void> {
    await this.#options.client.patch(nodeResource, { name }, { status: this.#status(name) }, { subresource: 'status', type: 'strategic', signal });
  }

  #lease(name: string): Lease {
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: LEASE_NAMESPACE },
      spec: { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTimestamp(this.#options.clock.now()) },
    };
  }

  #node(name: string): Node {
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', [LABEL_SIMULATED]: 'true' } },
      spec: {},
      status: this.#status(name),
    };
  }

  #status(name: string): NonNullable<Node['status']> {
    const { clock, capacity } = this.#options;
    const now = timestamp(clock.now());
    const said = { lastHeartbeatTime: now, lastTransitionTime: now };
    return {
      conditions: [
        { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'simulated', ...said },
        ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({ type, status: 'False' as const, reason: 'Simulated', message: 'simulated', ...said })),
      ],
      addresses: [{ type: 'Hostname', address: name }],
      capacity: { ...capacity },
      allocatable: { ...capacity },
    };
  }
}
