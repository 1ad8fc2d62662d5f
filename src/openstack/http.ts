import type http from 'node:http';
import { Readable } from 'node:stream';
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { Connections, isCertificateFault, MOST_BULK, neverArrived, type TlsOptions } from './http/connections.ts';
import { RequestCounter, type RequestObserver } from './http/counter.ts';
import { codeOf, faultOf } from './http/fault.ts';
import { Limiter, LimiterFullError } from './http/limiter.ts';
import { OpenStackError, type OpenStackErrorCode } from './errors.ts';
import { secretsIn, withoutSecrets } from './secret.ts';
import type { ServiceName } from './service-name.ts';

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface HttpRequest {
  readonly service: ServiceName;
  readonly method: HttpMethod;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a stream as it is, and once only. */
  readonly body?: unknown;
  /** Statuses beside 2xx that are no error. */
  readonly accept?: readonly number[];
  /** It asks for a token: what it is refused with is an authentication failure. */
  readonly authenticating?: boolean;
  readonly secrets?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Parsed; undefined where there was none. */
  readonly body: unknown;
  /** What the service's own clock says, in milliseconds since the epoch; ours where it does not say. */
  readonly dateMs: number;
}

export interface HttpOptions {
  readonly tls: TlsOptions;
  readonly clock: Clock;
  readonly observer?: RequestObserver;
  /** Most requests at once. Default 8. */
  readonly atOnce?: number;
  /** Most requests that begin in a second. Default 50. */
  readonly perSecond?: number;
  /** Attempts of a request that may be repeated. Default 4. */
  readonly attempts?: number;
  /** Of one attempt, with its body; of a silence where the body is that of an image. Default 60 000. */
  readonly timeoutMs?: number;
  /** Longest that a service may ask to be left alone for before that is an error. Default 60 000. */
  readonly longestRetryAfterMs?: number;
  /** Largest body of an answer, other than of images. Default 64 MiB. */
  readonly largestBodyBytes?: number;
  readonly random?: () => number;
}

const BACKOFF = { baseMs: 250, capMs: 5_000, jitter: 0.5 };
const BODY_TAIL_BYTES = 64 * 1024;
const REPEATABLE: readonly HttpMethod[] = ['GET', 'HEAD', 'PUT', 'DELETE'];

/** Requests to the services of one cloud: bounded in number, repeated where that is safe, and with typed errors. */
export class HttpClient implements Disposable {
  readonly requests: RequestCounter;
  readonly #options: HttpOptions;
  readonly #connections: Connections;
  readonly #limiter: Limiter;
  /** Large bodies take long, and keep nobody else waiting. */
  readonly #bulkLimiter: Limiter;

  constructor(options: HttpOptions) {
    const atOnce = options.atOnce ?? 8;
    this.#options = options;
    this.requests = new RequestCounter(options.observer);
    this.#connections = new Connections({ tls: options.tls, atOnce });
    const rate = { perSecond: options.perSecond ?? 50, clock: options.clock };
    this.#limiter = new Limiter({ ...rate, atOnce });
    this.#bulkLimiter = new Limiter({ ...rate, atOnce: MOST_BULK });
  }

  /** Rejects with an OpenStackError, or with the signal's reason. */
  send(request: HttpRequest): Promise<HttpAnswer> {
    const bulk = request.body instanceof Readable;
    return this.#repeated(request, bulk, async (signal) => {
      const response = await this.#open(request, signal, bulk);
      const text = await this.#text(request, response, signal);
      this.#refuse(request, response, text);
      return { status: response.statusCode ?? 0, headers: response.headers, body: bodyOf(request, response, text), dateMs: this.#dateOf(response) };
    });
  }

  /** The open body of an answer: whoever calls reads it to its end or destroys it. Only the wait for it is bounded, and each silence in it. */
  stream(request: HttpRequest): Promise<http.IncomingMessage> {
    return this.#repeated(request, true, async (signal) => {
      const response = await this.#open(request, signal, true);
      if (!accepted(request, response)) this.#refuse(request, response, await this.#text(request, response, signal));
      return response;
    });
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  async #repeated<T>(request: HttpRequest, bulk: boolean, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limiter = bulk ? this.#bulkLimiter : this.#limiter;
    for (let failures = 1; ; failures += 1) {
      try {
        return await limiter.run(() => attempt(this.#signalOf(request, bulk)), request.signal);
      } catch (error) {
        request.signal?.throwIfAborted();
        const fault = error instanceof LimiterFullError ? this.#errorOf('TooManyRequests', request, error.message, { cause: error }) : error;
        const waitMs = this.#waitMs(request, fault, failures);
        if (waitMs === undefined) throw fault;
        await this.#options.clock.sleep(waitMs, request.signal);
      }
    }
  }

  /** How long to wait before it is tried once more; undefined when it is not to be. */
  #waitMs(request: HttpRequest, error: unknown, failures: number): number | undefined {
    if (!(error instanceof OpenStackError) || failures >= (this.#options.attempts ?? 4) || request.body instanceof Readable) return undefined;
    const own = backoffMs(failures, BACKOFF, this.#options.random);
    const asked = error.retryAfterMs ?? 0;
    if (asked > (this.#options.longestRetryAfterMs ?? 60_000)) return undefined;
    if (error.code === 'TooManyRequests' && error.status !== undefined) return Math.max(own, asked);
    if (error.code === 'Unreachable' && neverArrived(error.cause)) return own;
    const passing = ['Unreachable', 'TimedOut'].includes(error.code) || [502, 503, 504].includes(error.status ?? 0);
    return passing && REPEATABLE.includes(request.method) ? Math.max(own, asked) : undefined;
  }

  /** Large bodies take as long as they take: only silence ends them. */
  #signalOf(request: HttpRequest, bulk: boolean): AbortSignal {
    const given = request.signal === undefined ? [] : [request.signal];
    return AbortSignal.any(bulk ? given : [...given, AbortSignal.timeout(this.#options.timeoutMs ?? 60_000)]);
  }

  async #open(request: HttpRequest, signal: AbortSignal, bulk: boolean): Promise<http.IncomingMessage> {
    const { method, url, body, service } = request;
    const text = body === undefined || body instanceof Readable ? body : JSON.stringify(body);
    try {
      const response = await this.#connections.open({
        method, url, signal, bulk, idleTimeoutMs: this.#options.timeoutMs ?? 60_000,
        headers: { accept: 'application/json', 'user-agent': 'yadokari', ...(typeof text === 'string' ? { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) } : {}), ...request.headers },
        ...(text === undefined ? {} : { body: text }),
      });
      this.requests.add(service, method, String(response.statusCode));
      return response;
    } catch (error) {
      this.requests.add(service, method, 'error');
      throw this.#lost(request, error, signal);
    }
  }

  async #text(request: HttpRequest, response: http.IncomingMessage, signal: AbortSignal): Promise<string> {
    const largest = accepted(request, response) ? this.#options.largestBodyBytes ?? 64 * 1024 * 1024 : BODY_TAIL_BYTES;
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > largest) break;
      }
    } catch (error) {
      throw this.#lost(request, error, signal);
    }
    if (size > largest && accepted(request, response)) throw this.#errorOf('InvalidAnswer', request, `the answer is larger than ${largest} bytes`, { status: response.statusCode ?? 0, disposition: 'stalled' });
    return Buffer.concat(chunks).toString('utf8');
  }

  #lost(request: HttpRequest, error: unknown, signal: AbortSignal): Error {
    if (request.signal?.aborted === true) return request.signal.reason as Error;
    if (signal.aborted) return this.#errorOf('TimedOut', request, `no answer for ${(this.#options.timeoutMs ?? 60_000) / 1000} s`, {});
    const { message } = error as Error;
    return isCertificateFault(error)
      ? this.#errorOf('CertificateRefused', request, `the certificate of ${request.url.host} is not trusted (${message}): name its authority in cacert, or set verify: false`, { cause: error })
      : this.#errorOf('Unreachable', request, `${request.url.host} cannot be reached: ${message || String((error as { code?: unknown }).code)}`, { cause: error });
  }

  #refuse(request: HttpRequest, response: http.IncomingMessage, body: string): void {
    if (accepted(request, response)) return;
    const status = response.statusCode ?? 0;
    const fault = faultOf(status, body);
    const requestId = response.headers['x-openstack-request-id'] ?? response.headers['x-compute-request-id'];
    const retryAfterMs = retryAfterOf(response, this.#options.clock.now());
    const code = codeOf(status, fault, request.authenticating ?? false);
    // A proxy's 413 with a time is its way to say that it was too often.
    throw this.#errorOf(code === 'InvalidRequest' && status === 413 && retryAfterMs !== undefined ? 'TooManyRequests' : code, request, redirectOf(request, response) ?? fault.message, {
      status,
      ...(fault.reason === undefined ? {} : { reason: fault.reason }),
      ...(typeof requestId === 'string' ? { requestId } : {}),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  #errorOf(code: OpenStackErrorCode, request: HttpRequest, message: string, options: Partial<ConstructorParameters<typeof OpenStackError>[2]>): OpenStackError {
    const { service, method, url: { pathname: path }, secrets = [], body } = request;
    const safe = withoutSecrets(message, [...secrets, ...secretsIn(body instanceof Readable ? undefined : body)]);
    return new OpenStackError(code, `${service}: ${method} ${path}: ${safe}${options.status === undefined ? '' : ` (HTTP ${options.status})`}`, { ...options, service, method, path });
  }

  #dateOf(response: http.IncomingMessage): number {
    const ms = Date.parse(response.headers.date ?? '');
    return Number.isNaN(ms) ? this.#options.clock.now() : ms;
  }
}

function accepted({ accept = [] }: HttpRequest, { statusCode = 0 }: http.IncomingMessage): boolean {
  return (statusCode >= 200 && statusCode < 300) || accept.includes(statusCode);
}

/** Throws InvalidAnswer for half a page: it must not pass for a whole one. */
function bodyOf({ service, method, url: { pathname: path } }: HttpRequest, { statusCode: status }: http.IncomingMessage, text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new OpenStackError('InvalidAnswer', `${service}: ${method} ${path}: the answer is no JSON: is this the address of an OpenStack service?`, { service, method, path, ...(status === undefined ? {} : { status }) });
  }
}

/** Redirects are not followed: tokens go to nobody but whom the settings and the catalog name. */
function redirectOf({ url }: HttpRequest, { statusCode = 0, headers: { location } }: http.IncomingMessage): string | undefined {
  if (statusCode < 301 || statusCode > 308 || location === undefined || !URL.canParse(location, url.href)) return undefined;
  const { origin, pathname } = new URL(location, url);
  return `it redirects to ${origin}${pathname}: use that address`;
}

function retryAfterOf({ headers: { 'retry-after': text } }: http.IncomingMessage, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
