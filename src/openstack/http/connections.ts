import http from 'node:http';
import https from 'node:https';
import { pipeline, type Readable } from 'node:stream';

/** Whom to trust and who to be. PEM texts; absent `ca`: whom Node trusts. */
export interface TlsOptions {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** False: any certificate will do. */
  readonly verify: boolean;
}

export interface ConnectionsOptions {
  readonly tls: TlsOptions;
  /** Most connections to one service at once. */
  readonly atOnce: number;
}

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Readable;
  readonly signal: AbortSignal;
  /** Ends it when nothing has come or gone for this long. */
  readonly idleTimeoutMs: number;
  /** The body is large and its connection is left alone by others. */
  readonly bulk: boolean;
}

/** Servers close unused connections after 5 s and more; a call on one that is being closed would be lost. */
const UNUSED_MS = 4_000;
/** Of large bodies at once. */
export const MOST_BULK = 4;

/** Connections of HTTP and TLS that are kept and shared, bounded in number. */
export class Connections implements Disposable {
  readonly #tls: https.AgentOptions;
  readonly #agents: Readonly<Record<'http:' | 'https:', Readonly<Record<'call' | 'bulk', http.Agent>>>>;

  constructor({ tls, atOnce }: ConnectionsOptions) {
    this.#tls = {
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      rejectUnauthorized: tls.verify,
    };
    const call = { keepAlive: true, maxSockets: atOnce, maxFreeSockets: atOnce, timeout: UNUSED_MS };
    const bulk = { keepAlive: false, maxSockets: MOST_BULK };
    this.#agents = {
      'http:': { call: new http.Agent(call), bulk: new http.Agent(bulk) },
      'https:': { call: new https.Agent({ ...call, ...this.#tls }), bulk: new https.Agent({ ...bulk, ...this.#tls }) },
    };
  }

  /** The answer, whatever its status, with its body still to be read. */
  async open(exchange: Exchange): Promise<http.IncomingMessage> {
    const { url, method, headers, signal, body, idleTimeoutMs } = exchange;
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const secure = url.protocol === 'https:';
    const agent = this.#agents[secure ? 'https:' : 'http:'][exchange.bulk ? 'bulk' : 'call'];
    const call = (secure ? https : http).request(url, { method, headers, signal, agent });
    call.setTimeout(idleTimeoutMs, () => call.destroy(new Error(`nothing has come for ${idleTimeoutMs / 1000} s`)));
    call.on('response', resolve);
    call.on('error', reject);
    if (typeof body !== 'object') call.end(body);
    // Also of a body that has failed before it was asked for.
    else pipeline(body, call, (error) => error && reject(error));
    return promise;
  }

  [Symbol.dispose](): void {
    for (const agents of Object.values(this.#agents)) for (const agent of Object.values(agents)) agent.destroy();
  }
}

/** Whether a call cannot have reached the service: nobody was there to take it. */
export function neverArrived(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(String((error as { code?: unknown } | null)?.code));
}

/** Whether it was the certificate of the service that failed, and not the way to it. */
export function isCertificateFault(error: unknown): boolean {
  return /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/.test(String((error as { code?: unknown } | null)?.code));
}
