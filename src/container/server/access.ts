import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { Answers } from './answers.ts';
import { HttpError } from './http-error.ts';
import type { Caller, Reviewer } from './port.ts';

/** As a kubelet's defaults. */
const TOKEN_MS = 120_000;
const ALLOWED_MS = 300_000;
const DENIED_MS = 30_000;
const MOST_ANSWERS = 1000;

interface Subject {
  readonly CN?: string | readonly string[];
  readonly O?: string | readonly string[];
}

/** Decides who may use a kubelet's server, by certificate or token, and by what the API server says of their rights. */
export class Access {
  readonly #reviewer: Reviewer;
  readonly #callers: Answers<Caller | undefined>;
  readonly #rights: Answers<boolean>;

  constructor(reviewer: Reviewer, clock: Clock) {
    this.#reviewer = reviewer;
    this.#callers = new Answers(clock, MOST_ANSWERS);
    this.#rights = new Answers(clock, MOST_ANSWERS);
  }

  /** Throws an HttpError of status 401, 403 or, where the API server does not answer, 500. */
  async admit(request: IncomingMessage, path: string, signal?: AbortSignal): Promise<void> {
    const caller = certified(request.socket as TLSSocket) ?? await this.#bearer(request, signal);
    if (caller === undefined) throw new HttpError(401, 'Unauthorized');
    const [verb, subresources] = [verbOf(request.method), subresourcesOf(path)];
    for (const subresource of subresources) if (await this.#mayUse(caller, verb, subresource, signal)) return;
    throw new HttpError(403, `Forbidden (user=${caller.username}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`);
  }

  async #bearer({ headers }: IncomingMessage, signal: AbortSignal | undefined): Promise<Caller | undefined> {
    const token = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    const digest = createHash('sha256').update(token).digest('hex');
    const ask = (): Promise<Caller | undefined> => this.#reviewer.authenticate(token, signal);
    // Nobody's token is not remembered: it may be somebody's as soon as it is known everywhere.
    return this.#callers.get(digest, ask, (caller) => (caller === undefined ? 0 : TOKEN_MS)).catch(() => {
      throw new HttpError(401, 'Unauthorized');
    });
  }

  async #mayUse(caller: Caller, verb: string, subresource: string, signal: AbortSignal | undefined): Promise<boolean> {
    const ask = (): Promise<boolean> => this.#reviewer.authorize(caller, verb, subresource, signal);
    return this.#rights.get(JSON.stringify([caller, verb, subresource]), ask, (allowed) => (allowed ? ALLOWED_MS : DENIED_MS)).catch(() => {
      throw new HttpError(500, `Authorization error (user=${caller.username}, verb=${verb}, resource=nodes, subresource=${subresource})`);
    });
  }
}

/** Who the client's certificate names, when one of our authorities signed it for clients. */
function certified(socket: TLSSocket): Caller | undefined {
  if (!socket.authorized) return undefined;
  const { CN, O } = (socket.getPeerCertificate() as { readonly subject?: Subject }).subject ?? {};
  const username = [CN ?? []].flat().at(-1);
  return username === undefined ? undefined : { username, groups: [...[O ?? []].flat(), 'system:authenticated'] };
}

const VERBS: Readonly<Record<string, string>> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

function verbOf(method = ''): string {
  return VERBS[method] ?? '';
}

/** By the beginning of the path; one of them is enough. */
const SUBRESOURCES: Readonly<Record<string, readonly string[]>> = {
  '/pods': ['pods', 'proxy'],
  '/runningpods': ['pods', 'proxy'],
  '/healthz': ['healthz', 'proxy'],
  '/configz': ['configz', 'proxy'],
  '/stats': ['stats'],
  '/metrics': ['metrics'],
  '/logs': ['log'],
  '/checkpoint': ['checkpoint'],
  '/statusz': ['statusz'],
  '/flagz': ['configz'],
};

/** https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/#kubelet-authorization */
export function subresourcesOf(path: string): readonly string[] {
  const found = Object.entries(SUBRESOURCES).find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`));
  return found?.[1] ?? ['proxy'];
}
