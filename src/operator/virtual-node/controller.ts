import { createHash } from 'node:crypto';
import { LABEL_HOST, LABEL_NAMESPACE, LABEL_VIRTUAL_MACHINE, TAINT_VIRTUAL_NODE } from '../../api/group.ts';
import type { Log } from '../../base/log.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Reconcile, Result } from '../../kube/controller.ts';
import { nodes as nodeResource, pods, type Node } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { Informer } from '../../kube/informer.ts';
import { isDeleting, keyFor, type ObjectKey } from '../../kube/object.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { nodeLabelsOf } from './machine-labels.ts';
import { virtualNodeName } from './name.ts';

export interface VirtualNodeContext {
  readonly client: KubeClient;
  readonly vms: Informer<VirtualMachine>;
  readonly nodes: Informer<Node>;
  /** Whether pods in guests get addresses; else no machine can be a node. */
  readonly hasPodNetwork: boolean;
  readonly events: EventRecorder;
  readonly log: Log;
}

const FIELD_MANAGER = 'yadokari-operator';
/** Where a guest is in the world is where its host is. */
const TOPOLOGY = /^(topology\.kubernetes\.io\/|failure-domain\.beta\.kubernetes\.io\/)/;
const LONGEST_LABEL = 63;
const LOOK_AGAIN_MS = 5000;

/**
 * Makes the Node of each machine with containerHost, with labels and taint, and removes it with the machine. What the
 * Node's status says is the agent's, with an identity of the Node's own. Keys are those of machines.
 */
export class VirtualNodeReconciler {
  readonly #context: VirtualNodeContext;

  constructor(context: VirtualNodeContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal): Promise<Result | void> => {
    const { vms, nodes } = this.#context;
    const vm = vms.get(key);
    const name = vm === undefined ? nodeOfKey(key) : virtualNodeName(vm);
    const node = nodes.get(name);
    if (vm === undefined || isDeleting(vm) || vm.spec.containerHost === undefined || !this.#context.hasPodNetwork) return this.#remove(key, node, signal);
    if (node !== undefined && machineOf(node) !== key) {
      this.#context.events.record(vm, { type: 'Warning', reason: 'NodeNameTaken', message: `there is a Node ${name} already, which is not this machine; delete it or rename the machine` });
      return;
    }
    const host = vm.status?.node === undefined ? undefined : nodes.get(vm.status.node);
    const labels = labelsOf(vm, name, host);
    const again = node !== undefined && vm.status?.printableStatus === 'Stopped' ? await this.#letPodsGo(name, signal) : undefined;
    if (node !== undefined && isAsWanted(node, labels)) return again;
    await this.#context.client.apply(nodeResource, {
      metadata: { name, labels },
      spec: { taints: [{ key: TAINT_VIRTUAL_NODE, effect: 'NoSchedule' }] },
    }, { fieldManager: FIELD_MANAGER, signal });
    if (node === undefined) this.#context.log.info({ node: name, machine: key }, 'the machine is a node now');
    return again;
  };

  /** Pods of a guest that certainly does not run have ended; those that are to be deleted wait for nobody. */
  async #letPodsGo(node: string, signal: AbortSignal): Promise<Result | undefined> {
    const { client } = this.#context;
    const { items } = await client.list(pods, { fieldSelector: `spec.nodeName=${node}`, signal });
    for (const { metadata: { name, namespace, uid } } of items.filter(isDeleting)) {
      await client.delete(pods, { name, ...(namespace === undefined ? {} : { namespace }) }, { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }), signal }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
    return items.length === 0 ? undefined : { requeueAfterMs: LOOK_AGAIN_MS };
  }

  async #remove(key: ObjectKey, node: Node | undefined, signal: AbortSignal): Promise<void> {
    if (node === undefined || machineOf(node) !== key || isDeleting(node)) return;
    const { name, uid } = node.metadata;
    try {
      await this.#context.client.delete(nodeResource, { name }, { ...(uid === undefined ? {} : { preconditions: { uid } }), signal });
      this.#context.log.info({ node: name, machine: key }, 'the node went with its machine');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** The machine that a Node is; undefined for any other Node. */
export function machineOf(node: Node): ObjectKey | undefined {
  const { [LABEL_VIRTUAL_MACHINE]: name, [LABEL_NAMESPACE]: namespace } = node.metadata.labels ?? {};
  return name === undefined || namespace === undefined ? undefined : keyFor(namespace, name);
}

/** `<namespace>/<name>` as a Node's name. */
function nodeOfKey(key: ObjectKey): string {
  const [namespace = '', name = ''] = key.split('/');
  return `${name}.${namespace}`;
}

function labelsOf(vm: VirtualMachine, name: string, host: Node | undefined): Readonly<Record<string, string>> {
  const topology = Object.entries(host?.metadata.labels ?? {}).filter(([label]) => TOPOLOGY.test(label));
  return {
    ...nodeLabelsOf(vm.metadata.labels),
    ...Object.fromEntries(topology),
    'kubernetes.io/hostname': labelValue(name),
    // No kubernetes.io/os: daemons that tolerate everything, such as CNIs, choose their nodes by it, and are for hosts.
    'kubernetes.io/arch': 'amd64',
    [LABEL_VIRTUAL_MACHINE]: vm.metadata.name,
    [LABEL_NAMESPACE]: vm.metadata.namespace ?? 'default',
    ...(host === undefined ? {} : { [LABEL_HOST]: labelValue(host.metadata.name) }),
  };
}

/** A label's value ends at 63 characters; a longer name keeps what tells it apart. */
function labelValue(name: string): string {
  if (name.length <= LONGEST_LABEL) return name;
  return `${name.slice(0, LONGEST_LABEL - 9)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

/** Whatever others added is theirs. A host's label that is gone is not missed: the machine is down, or about to say more. */
function isAsWanted(node: Node, labels: Readonly<Record<string, string>>): boolean {
  const has = node.metadata.labels ?? {};
  return Object.entries(labels).every(([label, value]) => has[label] === value)
    && node.spec?.taints?.some(({ key, effect }) => key === TAINT_VIRTUAL_NODE && effect === 'NoSchedule') === true;
}
