import type { Clock } from '../../base/clock.ts';
import { isAlreadyExists, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { microTimestamp } from '../../kube/conditions.ts';
import { leases, nodes, type Lease, type Node } from '../../kube/core.ts';
import { tellsMore, type NodeStatusReport } from './node-status.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;
/** A status that did not change is said again this often, as a kubelet's. */
const REPEAT_MS = 300_000;
const FIELD_MANAGER = 'yadokari-agent';

/** The life signs of a Node: its Lease and its status, written with the node's own identity. */
export class NodeHeartbeat {
  readonly #client: KubeClient;
  readonly #node: string;
  readonly #clock: Clock;
  #last: { readonly status: NodeStatusReport; readonly at: number } | undefined;

  constructor(client: KubeClient, node: string, clock: Clock) {
    this.#client = client;
    this.#node = node;
    this.#clock = clock;
  }

  get lastStatus(): NodeStatusReport | undefined {
    return this.#last?.status;
  }

  /** Writes what is new, or what was not said for long. */
  async report(status: NodeStatusReport, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    if (this.#last !== undefined && now - this.#last.at < REPEAT_MS && !tellsMore(status, this.#last.status)) return;
    await this.#client.apply(nodes, { metadata: { name: this.#node }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
    this.#last = { status, at: now };
  }

  /** Others wrote over the status, such as the controller that notices silent nodes. */
  forget(): void {
    this.#last = undefined;
  }

  async renew(owner: Node, signal: AbortSignal): Promise<void> {
    const spec = { holderIdentity: this.#node, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTimestamp(this.#clock.now()) };
    try {
      await this.#client.patch(leases, { namespace: LEASE_NAMESPACE, name: this.#node }, { spec }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#client.create(leases, leaseOf(this.#node, owner, spec), { signal }).catch((failure: unknown) => {
        if (!isAlreadyExists(failure)) throw failure;
      });
    }
  }
}

/** Goes with its Node. */
function leaseOf(name: string, owner: Node, spec: Lease['spec'] & object): Lease {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: LEASE_NAMESPACE, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: owner.metadata.uid ?? '' }] },
    spec,
  };
}
