import { FINALIZER_GUEST } from '../../api/group.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { nodes as nodeResource, pods, type Node, type Pod } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { isDeleting } from '../../kube/object.ts';

export interface LostNodeContext {
  readonly client: KubeClient;
  readonly nodes: Informer<Node>;
}

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/**
 * An anchor that is being deleted keeps its finalizer until its node's agent has stopped the guest. That agent will
 * never come back when an administrator removed the Node or marked it out of service: the guest is then known to be
 * gone, and the operator lets the anchor go. A node that merely does not answer proves nothing. Whatever goes on there
 * all the same keeps no volume: Kubernetes gives those to the next anchor only after their drivers have taken them away.
 */
export async function releaseLostAnchor({ client, nodes }: LostNodeContext, anchor: Pod, signal: AbortSignal): Promise<void> {
  const { name, namespace, finalizers = [] } = anchor.metadata;
  if (!isDeleting(anchor) || !finalizers.includes(FINALIZER_GUEST)) return;
  const { nodeName } = anchor.spec;
  if (nodeName !== undefined && !(await isLost(client, nodes.get(nodeName), nodeName, signal))) return;
  try {
    await client.patch(pods, { name, ...(namespace === undefined ? {} : { namespace }) }, { metadata: { finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_GUEST), resourceVersion: anchor.metadata.resourceVersion } }, { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function isLost(client: KubeClient, node: Node | undefined, name: string, signal: AbortSignal): Promise<boolean> {
  if (node !== undefined) return taintsOf(node).some((taint) => taint.key === OUT_OF_SERVICE);
  try {
    await client.get(nodeResource, { name }, signal);
    return false;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
}

function taintsOf(node: Node): readonly { readonly key: string }[] {
  return (node.spec as { taints?: readonly { readonly key: string }[] } | undefined)?.taints ?? [];
}
