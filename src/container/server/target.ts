import type { PodManifest } from '../kubelet/pod.ts';
import { HttpError } from './http-error.ts';
import type { ServedNode } from './port.ts';

/** What a request for one pod is about. */
export interface Target {
  readonly verb: Verb;
  readonly query: URLSearchParams;
  readonly pod: PodManifest;
  /** Empty for port-forward. */
  readonly container: string;
}

const VERBS = ['containerLogs', 'exec', 'attach', 'portForward'] as const;
type Verb = (typeof VERBS)[number];

/** `/<verb>/<namespace>/<pod>[/<uid>]/<container>`; port-forward names no container. Throws an HttpError in the kubelet's words. */
export function targetOf(url: URL, node: Pick<ServedNode, 'pod'>): Target {
  const [, first, namespace = '', name = '', ...rest] = url.pathname.split('/').map(decoded);
  const verb = VERBS.find((known) => known === first);
  const [container = '', uid = ''] = verb === 'portForward' ? ['', rest[0]] : rest.toReversed();
  if (verb === undefined || name === '' || rest.length > 2 || (verb !== 'portForward' && container === '')) throw new HttpError(404, '404 page not found');
  const pod = node.pod(namespace, name);
  if (pod === undefined) throw new HttpError(404, verb === 'containerLogs' ? `pod ${JSON.stringify(name)} does not exist` : 'pod does not exist');
  if (uid !== '' && uid !== pod.metadata.uid) throw new HttpError(404, 'pod not found');
  return { verb, query: url.searchParams, pod, container };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, `${part} is no part of a path`);
  }
}
