import type { ConfigMapData, PodReferences, SecretData, ServiceSummary, TokenRequest } from '../../container/kubelet/port.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { configMaps, secrets, type Service } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';

/** What pods of one node refer to, read with the node's own identity: the API server lets it read just that. */
export class NodePodReferences implements PodReferences {
  readonly #client: KubeClient;
  /** Indexed `namespace`. */
  readonly #services: Informer<Service>;

  constructor(client: KubeClient, services: Informer<Service>) {
    this.#client = client;
    this.#services = services;
  }

  async configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMapData | undefined> {
    const found = await absentAsUndefined(this.#client.get(configMaps, { namespace, name }, signal));
    if (found === undefined) return undefined;
    const { data = {}, binaryData = {}, immutable = false, metadata } = found;
    return { resourceVersion: metadata.resourceVersion ?? '', immutable, data: { ...buffers(data, 'utf8'), ...buffers(binaryData, 'base64') } };
  }

  async secret(namespace: string, name: string, signal?: AbortSignal): Promise<SecretData | undefined> {
    const found = await absentAsUndefined(this.#client.get(secrets, { namespace, name }, signal));
    if (found === undefined) return undefined;
    const { data = {}, type = 'Opaque', immutable = false, metadata } = found;
    return { resourceVersion: metadata.resourceVersion ?? '', immutable, type, data: buffers(data, 'base64') };
  }

  async serviceAccountToken({ namespace, serviceAccount, audiences, expirationSeconds, pod }: TokenRequest, signal?: AbortSignal): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
    const body = JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences, expirationSeconds, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...pod } },
    });
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
    const answer = await this.#client.raw({ method: 'POST', path, body, ...(signal === undefined ? {} : { signal }) });
    const { status } = JSON.parse(answer) as { readonly status: { readonly token: string; readonly expirationTimestamp: string } };
    return { token: status.token, expiresAtMs: Date.parse(status.expirationTimestamp) };
  }

  services(namespace: string): readonly ServiceSummary[] {
    const main = namespace === 'default' ? [] : this.#services.byIndex('namespace', 'default').filter(({ metadata }) => metadata.name === 'kubernetes');
    return [...main, ...this.#services.byIndex('namespace', namespace)].map(({ metadata, spec }) => ({
      name: metadata.name,
      namespace: metadata.namespace ?? 'default',
      clusterIP: spec.clusterIP ?? 'None',
      ports: (spec.ports ?? []).map(({ name = '', port, protocol = 'TCP' }) => ({ name, port, protocol })),
    }));
  }
}

async function absentAsUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function buffers(values: Readonly<Record<string, string>>, encoding: 'utf8' | 'base64'): Readonly<Record<string, Buffer>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value, encoding)]));
}
