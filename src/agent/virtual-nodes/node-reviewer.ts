import type { KubeClient } from '../../kube/client.ts';
import type { Caller, Reviewer } from '../../container/server/port.ts';

interface TokenReview {
  readonly status?: { readonly authenticated?: boolean; readonly user?: { readonly username?: string; readonly uid?: string; readonly groups?: readonly string[]; readonly extra?: Readonly<Record<string, readonly string[]>> } };
}

interface SubjectAccessReview {
  readonly status?: { readonly allowed?: boolean };
}

/** Asks the API server about callers, with the node's own identity. */
export class NodeReviewer implements Reviewer {
  readonly #client: KubeClient;
  readonly #node: string;

  constructor(client: KubeClient, node: string) {
    this.#client = client;
    this.#node = node;
  }

  async authenticate(token: string, signal?: AbortSignal): Promise<Caller | undefined> {
    const { status } = await this.#review<TokenReview>('authentication.k8s.io', 'TokenReview', { token }, signal);
    if (status?.authenticated !== true) return undefined;
    const { username = '', groups = [], uid, extra } = status.user ?? {};
    return { username, groups, ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) };
  }

  async authorize({ username, groups, uid, extra }: Caller, verb: string, subresource: string, signal?: AbortSignal): Promise<boolean> {
    const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: this.#node };
    const { status } = await this.#review<SubjectAccessReview>('authorization.k8s.io', 'SubjectAccessReview', { user: username, groups, uid, extra, resourceAttributes }, signal);
    return status?.allowed === true;
  }

  async #review<T>(group: string, kind: string, spec: object, signal: AbortSignal | undefined): Promise<T> {
    const body = JSON.stringify({ apiVersion: `${group}/v1`, kind, spec });
    return JSON.parse(await this.#client.raw({ method: 'POST', path: `/apis/${group}/v1/${kind.toLowerCase()}s`, body, ...(signal === undefined ? {} : { signal }) })) as T;
  }
}
