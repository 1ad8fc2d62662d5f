import type { PodManifest, PodStatusReport } from '../../container/kubelet/pod.ts';
import type { PodStatusWriter } from '../../container/kubelet/port.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { pods } from '../../kube/core.ts';

/** Writes what becomes of pods, with the node's own identity. */
export class NodePodStatuses implements PodStatusWriter {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** As the kubelet does it: conditions of others, such as readiness gates, stay; of ours, what is no longer said goes. */
  async write({ metadata: { name, namespace = 'default', uid } }: PodManifest, status: PodStatusReport, signal?: AbortSignal): Promise<void> {
    await this.#unlessGone(this.#client.patch(pods, { namespace, name }, { metadata: { uid }, status: whole(status) }, { subresource: 'status', type: 'strategic', ...(signal === undefined ? {} : { signal }) }));
  }

  async finish({ metadata: { name, namespace = 'default', uid } }: PodManifest, signal?: AbortSignal): Promise<void> {
    await this.#unlessGone(this.#client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }), ...(signal === undefined ? {} : { signal }) }));
  }

  /** A pod of the same name and another uid makes a conflict: ours is gone. */
  async #unlessGone(call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (!isNotFound(error) && !isOtherUid(error)) throw error;
    }
  }
}

/** A merge leaves what it is not told of: fields that are absent, and addresses beside those that it is told. */
function whole({ conditions, hostIPs, podIPs, ...rest }: PodStatusReport): object {
  const unsaid = { reason: null, message: null };
  const replaced = (addresses: readonly object[]): readonly object[] => [{ $patch: 'replace' }, ...addresses];
  return {
    ...unsaid,
    ...rest,
    ...(conditions === undefined ? {} : { conditions: conditions.map((condition) => ({ ...unsaid, ...condition })) }),
    ...(hostIPs === undefined ? {} : { hostIPs: replaced(hostIPs) }),
    ...(podIPs === undefined ? {} : { podIPs: replaced(podIPs) }),
  };
}

function isOtherUid(error: unknown): boolean {
  return error instanceof Error && /uid|UID/.test(error.message) && 'status' in error && error.status === 409;
}
