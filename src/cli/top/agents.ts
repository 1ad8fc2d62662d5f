import { messageOf, YadoError } from '../../base/errors.ts';
import { ApiError } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { nodes, pods, type Pod } from '../../kube/core.ts';

/** The agent of a node, which tells what the node's guests use. */
export interface AgentSource {
  readonly node: string;
  /** Its page of metrics, in Prometheus' text format. */
  readonly read: (signal: AbortSignal) => Promise<string>;
}

/** What agents said, by node, and why others said nothing. */
export interface AgentPages {
  readonly pages: ReadonlyMap<string, string>;
  readonly failures: ReadonlyMap<string, string>;
}

const AGENTS = 'app.kubernetes.io/name=yadokari,app.kubernetes.io/component=agent';
/** Where they are unless somebody chose another namespace. */
const USUAL_NAMESPACE = 'yadokari-system';
const METRICS_PORT = 9402;
const PATIENCE_MS = 5000;

/** Agents of a local cluster, at their nodes' addresses: they need not be pods there. */
export async function localAgents(client: KubeClient, signal: AbortSignal): Promise<readonly AgentSource[]> {
  const { items } = await client.list(nodes, { signal });
  return items.flatMap(({ metadata, status }) => {
    const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
    return address === undefined ? [] : [{ node: metadata.name, read: (wanted) => page(`http://${address}:${METRICS_PORT}/metrics`, wanted) }];
  });
}

/** Agents that the chart runs, through the API server. Throws YadoError `NotAllowed` or `NoAgents`. */
export async function proxiedAgents(client: KubeClient, signal: AbortSignal): Promise<readonly AgentSource[]> {
  const running = await agentPods(client, signal);
  if (running.length === 0) throw new YadoError('NoAgents', 'No agent of Yadokari runs in this cluster; docs/install.md says how to install it', { disposition: 'stalled' });
  return running.flatMap((pod) => {
    const { name, namespace = USUAL_NAMESPACE } = pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/http:${name}:${portOf(pod)}/proxy/metrics`;
    const read = (wanted: AbortSignal) => client.raw({ method: 'GET', path, accept: 'text/plain', signal: wanted }).catch((error: unknown) => {
      throw isForbidden(error) ? notAllowed(`get pods/proxy in namespace ${namespace}`, error) : error;
    });
    return pod.spec.nodeName === undefined ? [] : [{ node: pod.spec.nodeName, read }];
  });
}

/** Asks all of them at once. Throws YadoError `NotAllowed`, or `NoFigures` when none answers. */
export async function readAgents(agents: readonly AgentSource[], signal: AbortSignal): Promise<AgentPages> {
  const [pages, failures] = [new Map<string, string>(), new Map<string, string>()];
  await Promise.all(agents.map(async ({ node, read }) => {
    try {
      pages.set(node, await read(AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof YadoError && error.code === 'NotAllowed') throw error;
      failures.set(node, messageOf(error));
    }
  }));
  if (pages.size === 0) throw new YadoError('NoFigures', `No agent tells what its guests use: ${[...failures].map(([node, failure]) => `${node}: ${failure}`).join('; ') || 'there is none'}`);
  return { pages, failures };
}

async function agentPods(client: KubeClient, signal: AbortSignal): Promise<readonly Pod[]> {
  const list = async (namespace?: string) => (await client.listAll(pods, { labelSelector: AGENTS, signal, ...(namespace === undefined ? {} : { namespace }) })).items;
  try {
    return await list().catch((error: unknown) => (isForbidden(error) ? list(USUAL_NAMESPACE) : Promise.reject(error as Error)));
  } catch (error) {
    throw isForbidden(error) ? notAllowed(`list pods and get pods/proxy in namespace ${USUAL_NAMESPACE}`, error) : error;
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403;
}

function notAllowed(right: string, cause: unknown): YadoError {
  return new YadoError('NotAllowed', `The figures of guests come from the nodes' agents, and you may not ask them; that takes the right to ${right}`, { cause, disposition: 'stalled' });
}

function portOf({ spec }: Pod): number {
  const ports = spec.containers.flatMap(({ ports: own }) => (own ?? []) as readonly { readonly name?: string; readonly containerPort: number }[]);
  return ports.find(({ name }) => name === 'metrics')?.containerPort ?? METRICS_PORT;
}

async function page(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response.text();
}
