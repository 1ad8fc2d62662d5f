import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { pods as podResource, type Pod } from '../kube/core.ts';
import type { Informer } from '../kube/informer.ts';
import { keyFor } from '../kube/object.ts';
import { NetworkError, type PodLookup } from '../network/port.ts';
import { anchorOf } from './anchor.ts';
import type { EndpointRegistry } from './endpoint-registry.ts';

/** Tells the network what a pod is: from the cache, else from the API server, since the kubelet may know it first. */
export function createPodLookup(client: KubeClient, pods: Informer<Pod>, endpoints: EndpointRegistry): PodLookup {
  return async ({ namespace, name, uid }, signal) => {
    const cached = pods.get(keyFor(namespace, name));
    const pod = cached?.metadata.uid === uid || (cached !== undefined && uid === '') ? cached : await fetchPod(client, namespace, name, signal);
    if (uid !== '' && pod.metadata.uid !== uid) throw new NetworkError('PodUnknown', `pod ${namespace}/${name} is another one now`);
    const anchor = anchorOf(pod);
    if (anchor === undefined) return { kind: 'container', annotations: pod.metadata.annotations ?? {} };
    return { kind: 'anchor', endpoint: endpoints.endpointOf(anchor.key) };
  };
}

async function fetchPod(client: KubeClient, namespace: string, name: string, signal: AbortSignal): Promise<Pod> {
  try {
    return await client.get(podResource, { namespace, name }, signal);
  } catch (error) {
    if (isNotFound(error)) throw new NetworkError('PodUnknown', `pod ${namespace}/${name} does not exist`, { cause: error });
    throw error;
  }
}
