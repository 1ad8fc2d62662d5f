import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import type { KeyPair } from '../base/certificate.ts';
import { parseClouds, type CloudSettings } from './clouds.ts';
import { OpenStackError } from './errors.ts';

export interface FakeRequest {
  readonly method: string;
  /** With the service's name in front: `/compute/v2.1/servers`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  /** Parsed where it is JSON. */
  readonly body: unknown;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Ends the connection: before the answer, in the middle of it, or never. */
  readonly breaks?: 'before' | 'within' | 'hangs';
}

export type FakeHandler = (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>;

export interface FakeCloudOptions {
  /** Types as the catalog has them. */
  readonly services?: readonly string[];
  readonly region?: string;
  /** Default 3600. */
  readonly tokenSeconds?: number;
  readonly tls?: KeyPair & { readonly clientAuthority?: string };
}

interface Recording {
  readonly response: { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown };
}

export const PASSWORD = 'correct-horse';
export const PROJECT_ID = 'd054fa478fb14cd9bc183c3f3b342bfa';
const SEGMENTS: Readonly<Record<string, string>> = { compute: '/v2.1', volumev3: `/v3/${PROJECT_ID}`, 'block-storage': `/v3/${PROJECT_ID}` };

/** An answer that a real cloud (OpenStack Zed) gave. */
export function recorded(name: string): FakeAnswer & { readonly status: number } {
  const { response } = JSON.parse(readFileSync(join(import.meta.dirname, 'recordings', `${name}.json`), 'utf8')) as Recording;
  return { status: response.status, headers: response.headers ?? {}, body: response.body };
}

/**
 * Keystone, and services that answer what a test tells them to, over real HTTP. Handlers are by method and path, such as
 * `GET /compute/v2.1/servers/detail`; what has none is answered with 404. The version documents are a real cloud's.
 */
export class FakeCloud implements AsyncDisposable {
  readonly handlers = new Map<string, FakeHandler>();
  /** All that were made, in their order. */
  readonly requests: FakeRequest[] = [];
  /** Tokens that are good. */
  readonly tokens = new Set<string>();
  readonly #options: FakeCloudOptions;
  readonly #server: http.Server;
  #issued = 0;

  private constructor(options: FakeCloudOptions) {
    this.#options = options;
    const listen: http.RequestListener = (request, response) => void this.#answer(request, response).catch(() => response.destroy());
    const { tls } = options;
    this.#server = tls === undefined ? http.createServer(listen) : https.createServer({
      cert: tls.certificate, key: tls.key,
      ...(tls.clientAuthority === undefined ? {} : { ca: tls.clientAuthority, requestCert: true, rejectUnauthorized: true }),
    }, listen);
    this.handlers.set('POST /identity/v3/auth/tokens', (request) => this.#authenticate(request));
    this.handlers.set('GET /identity/v3/auth/tokens', ({ headers }) => this.#token(String(headers['x-subject-token'])));
    for (const [service, document] of [['compute', 'versions-compute'], ['volumev3', 'versions-volumev3'], ['block-storage', 'versions-volumev3'], ['image', 'versions-image']] as const) {
      this.handlers.set(`GET /${service}/`, () => recorded(document));
    }
  }

  static async start(options: FakeCloudOptions = {}): Promise<FakeCloud> {
    const cloud = new FakeCloud(options);
    await new Promise<void>((resolve) => cloud.#server.listen(0, '127.0.0.1', resolve));
    return cloud;
  }

  get origin(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A clouds.yaml for it; lines are added to its only cloud. */
  settings(...lines: readonly string[]): CloudSettings {
    const auth = `{auth_url: "${this.origin}/identity", username: alice, password: ${PASSWORD}, project_name: acme, user_domain_name: Default}`;
    return parseClouds(['clouds:', '  fake:', `    auth: ${auth}`, ...lines.map((line) => `    ${line}`)].join('\n'));
  }

  on(call: string, ...answers: readonly (FakeAnswer | FakeHandler)[]): void {
    let next = 0;
    // The last is the answer to all that come after it.
    this.handlers.set(call, (request) => {
      const answer = answers[Math.min(next++, answers.length - 1)] ?? {};
      return typeof answer === 'function' ? answer(request) : answer;
    });
  }

  calls(call: string): readonly FakeRequest[] {
    return this.requests.filter(({ method, path }) => `${method} ${path}` === call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.origin);
    const raw = (await buffer(incoming)).toString();
    const body: unknown = incoming.headers['content-type'] === 'application/json' ? JSON.parse(raw) : raw;
    const request: FakeRequest = { method: incoming.method ?? '', path: url.pathname, query: url.searchParams, headers: incoming.headers, body };
    this.requests.push(request);
    const { status = 200, headers = {}, body: answer, breaks } = await this.#handle(request);
    if (breaks === 'hangs') return;
    if (breaks === 'before') return void incoming.socket.destroy();
    const payload = Buffer.isBuffer(answer) ? answer : answer === undefined || answer === null ? '' : typeof answer === 'string' ? answer : JSON.stringify(answer);
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(payload) });
    if (breaks !== 'within') return void response.end(payload);
    response.write(payload.slice(0, payload.length / 2));
    setTimeout(() => incoming.socket.destroy(), 20);
  }

  async #handle(request: FakeRequest): Promise<FakeAnswer> {
    const { method, path, headers } = request;
    const handler = this.handlers.get(`${method} ${path}`);
    const open = path.startsWith('/identity/') || /^\/[^/]+\/$/.test(path);
    if (!open && !this.tokens.has(String(headers['x-auth-token']))) return recorded('error-401');
    return handler === undefined ? recorded('nova-server-404') : handler(request);
  }

  #authenticate({ body }: FakeRequest): FakeAnswer {
    if (!JSON.stringify(body).includes(PASSWORD)) return recorded('error-401');
    const token = `token-number-${++this.#issued}`;
    this.tokens.add(token);
    return this.#token(token);
  }

  #token(token: string): FakeAnswer {
    if (!this.tokens.has(token)) return recorded('error-401');
    const { token: template } = recorded('keystone-token-password').body as { readonly token: object };
    const now = Date.now();
    return {
      status: 201,
      headers: { 'x-subject-token': token },
      body: { token: { ...template, issued_at: new Date(now).toISOString(), expires_at: new Date(now + (this.#options.tokenSeconds ?? 3600) * 1000).toISOString(), catalog: this.#catalog() } },
    };
  }

  #catalog(): readonly object[] {
    const region = this.#options.region ?? 'RegionOne';
    return (this.#options.services ?? ['compute', 'network', 'image', 'volumev3', 'placement']).map((type) => ({
      type, name: type,
      endpoints: ['public', 'internal'].map((face) => ({ interface: face, region, region_id: region, url: `${this.origin}/${type}${SEGMENTS[type] ?? ''}` })),
    }));
  }
}

/** Why a call fails; an assertion fails where it does not. */
export async function faultOf(promise: Promise<unknown>): Promise<OpenStackError> {
  const error: unknown = await promise.then(() => assert.fail('it was answered'), (reason: unknown) => reason);
  assert.ok(error instanceof OpenStackError, inspect(error));
  return error;
}
