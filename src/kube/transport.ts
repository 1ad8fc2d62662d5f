import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
// The package's index loads every generated model (60 MB); its kubeconfig is all that is needed here.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { ApiError, ApiUnavailableError } from './api-error.ts';

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query, beginning with a slash. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
  /** Ends the call when nothing has come for this long. Default 30 000. */
  readonly idleTimeoutMs?: number;
}

/** HTTP to one API server, with a kubeconfig's authentication. Connections are kept and shared. */
export interface Transport {
  /** The body of a successful answer; throws ApiError or ApiUnavailableError. */
  send(request: TransportRequest): Promise<string>;
  /** The open body of a successful answer, for watches and logs. */
  open(request: TransportRequest): Promise<http.IncomingMessage>;
  close(): void;
}

export interface KubeconfigOptions {
  /** A kubeconfig file. When absent: KUBECONFIG, ~/.kube/config, or the Pod's service account. */
  readonly kubeconfig?: string;
  readonly context?: string;
}

export function loadKubeconfig(options: KubeconfigOptions = {}): KubeConfig {
  const config = new KubeConfig();
  if (options.kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(options.kubeconfig);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  return config;
}

/** The same cluster with a client certificate: PEM texts. */
export function withIdentity(config: KubeConfig, certificate: string, key: string): KubeConfig {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new ApiUnavailableError('kubeconfig', new Error('it names no current cluster'));
  const other = new KubeConfig();
  const base64 = (pem: string): string => Buffer.from(pem).toString('base64');
  other.loadFromClusterAndUser(cluster, { name: 'other', certData: base64(certificate), keyData: base64(key) });
  return other;
}

/** Connections that nobody used for this long are closed: well before the API server does it, at 90 s. */
const UNUSED_MS = 30_000;

export class HttpTransport implements Transport {
  readonly #config: KubeConfig;
  readonly #server: URL;
  /** By the agents that the kubeconfig library makes. */
  readonly #agents = new Map<http.Agent, http.Agent>();

  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new ApiUnavailableError('kubeconfig', new Error('it names no current cluster'));
    this.#config = config;
    this.#server = new URL(cluster.server);
  }

  async send(request: TransportRequest): Promise<string> {
    const response = await this.open(request);
    try {
      return await text(response);
    } catch (error) {
      throw failure(request, error);
    }
  }

  async open(request: TransportRequest): Promise<http.IncomingMessage> {
    const response = await this.#request(request);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const body = await text(response).catch(() => '');
    const retryAfter = response.headers['retry-after'];
    throw new ApiError(callOf(request), status, body, retryAfter === undefined ? undefined : Number(retryAfter));
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  /** The library's agent connects anew for each call: a TLS handshake costs both sides more than most calls. Proxies stay as they are. */
  #kept(agent: http.Agent): http.Agent {
    const known = this.#agents.get(agent);
    if (known !== undefined) return known;
    const kept = agent instanceof https.Agent && agent.constructor === https.Agent ? new https.Agent({ ...agent.options, keepAlive: true, timeout: UNUSED_MS }) : agent;
    this.#agents.set(agent, kept);
    return kept;
  }

  async #request(request: TransportRequest): Promise<http.IncomingMessage> {
    const options: https.RequestOptions = { headers: {} };
    await this.#config.applyToHTTPSOptions(options);
    if (options.agent instanceof http.Agent) options.agent = this.#kept(options.agent);
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const base = this.#server.pathname.replace(/\/$/, '');
    const call = (this.#server.protocol === 'http:' ? http : https).request({
      ...options,
      hostname: this.#server.hostname.replace(/^\[|\]$/g, ''),
      port: this.#server.port || (this.#server.protocol === 'http:' ? 80 : 443),
      method: request.method,
      path: `${base}${request.path}`,
      headers: { ...(options.headers as http.OutgoingHttpHeaders), ...headersOf(request) },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    call.setTimeout(request.idleTimeoutMs ?? 30_000, () => call.destroy(new Error('timed out')));
    call.on('response', resolve);
    call.on('error', (error) => reject(request.signal?.aborted === true ? (request.signal.reason as Error) : failure(request, error)));
    call.end(request.body);
    return promise;
  }
}

function headersOf(request: TransportRequest): http.OutgoingHttpHeaders {
  return {
    accept: request.accept ?? 'application/json',
    'user-agent': 'yadokari',
    ...(request.body === undefined
      ? {}
      : { 'content-type': request.contentType ?? 'application/json', 'content-length': Buffer.byteLength(request.body) }),
  };
}

function callOf(request: TransportRequest): string {
  return `${request.method} ${request.path.split('?')[0] ?? ''}`;
}

function failure(request: TransportRequest, error: unknown): Error {
  return error instanceof ApiUnavailableError ? error : new ApiUnavailableError(callOf(request), error);
}
