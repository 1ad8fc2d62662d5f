import type http from 'node:http';
import { Readable } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import { dispositionOf } from '../base/errors.ts';
import { abortable } from './abortable.ts';
import type { CloudSettings } from './clouds.ts';
import { hasCode, OpenStackError } from './errors.ts';
import type { HttpAnswer, HttpClient, HttpRequest } from './http.ts';
import { endpointOf, hasService } from './identity/catalog.ts';
import { authenticationOf, secretsOf, tokenOf, type Token } from './identity/token.ts';
import type { ServiceName } from './service-name.ts';

/** Keystone's tokens: one for all who ask, renewed before it ends and once after a service has refused it. */
export class Session implements Disposable {
  readonly settings: CloudSettings;
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #token: Token | undefined;
  #authenticating: Promise<Token> | undefined;

  constructor(settings: CloudSettings, http: HttpClient, clock: Clock) {
    this.settings = settings;
    this.#http = http;
    this.#clock = clock;
  }

  /** A token that is good for a while yet. Rejects with AuthenticationFailed, which needs a person. */
  async token(signal?: AbortSignal): Promise<Token> {
    const token = this.#token;
    const now = this.#clock.now();
    if (token !== undefined && now < token.renewAtMs) return token;
    try {
      return await abortable(this.#renew(), signal);
    } catch (error) {
      // Keystone may be away for a moment: the old one does until it ends.
      if (token !== undefined && now < token.expiresAtMs && dispositionOf(error) === 'retry' && signal?.aborted !== true) return token;
      throw error;
    }
  }

  async has(service: ServiceName, signal?: AbortSignal): Promise<boolean> {
    return this.settings.endpoints[service] !== undefined || hasService((await this.token(signal)).catalog, service);
  }

  /** Where the service is, without a slash at the end. Rejects with ServiceMissing or EndpointMissing. */
  async endpoint(service: ServiceName, signal?: AbortSignal): Promise<string> {
    const own = this.settings.endpoints[service];
    const { region, interface: face } = this.settings;
    const url = own ?? endpointOf((await this.token(signal)).catalog, service, { interface: face, ...(region === undefined ? {} : { region }) });
    return url.replace(/\/+$/, '');
  }

  send(request: HttpRequest): Promise<HttpAnswer> {
    return this.#authenticated(request, (authenticated) => this.#http.send(authenticated));
  }

  stream(request: HttpRequest): Promise<http.IncomingMessage> {
    return this.#authenticated(request, (authenticated) => this.#http.stream(authenticated));
  }

  [Symbol.dispose](): void {
    this.#ended.abort(new Error('the connection to the cloud was closed'));
    this.#token = undefined;
  }

  async #authenticated<T>(request: HttpRequest, call: (request: HttpRequest) => Promise<T>): Promise<T> {
    const first = await this.token(request.signal);
    try {
      return await call(this.#with(first, request));
    } catch (error) {
      if (!hasCode(error, 'AuthenticationFailed')) throw error;
      // A stream cannot be sent twice: the next call has a new token.
      if (request.body instanceof Readable) throw this.#forget(first, error);
      // Somebody else may have renewed it meanwhile.
      this.#forget(first, error);
      return call(this.#with(await this.token(request.signal), request));
    }
  }

  #forget(token: Token, error: OpenStackError): OpenStackError {
    if (this.#token === token) this.#token = undefined;
    return error;
  }

  #with(token: Token, request: HttpRequest): HttpRequest {
    const secret = token.secret.reveal();
    const signal = AbortSignal.any([this.#ended.signal, ...(request.signal === undefined ? [] : [request.signal])]);
    return { ...request, signal, headers: { ...request.headers, 'x-auth-token': secret }, secrets: [...(request.secrets ?? []), secret, ...secretsOf(this.settings.credentials)] };
  }

  /** Callers share it, so that none of them can abort it for the others. */
  #renew(): Promise<Token> {
    return this.#authenticating ??= this.#authenticate().finally(() => (this.#authenticating = undefined));
  }

  async #authenticate(): Promise<Token> {
    const { settings } = this;
    const authentication = authenticationOf(settings.credentials);
    const answer = await this.#http.send({
      service: 'identity', url: new URL(`${settings.authUrl}/auth/tokens`), ...authentication, authenticating: true, secrets: secretsOf(settings.credentials), signal: this.#ended.signal,
    }).catch((error: unknown) => {
      throw hasCode(error, 'AuthenticationFailed') ? refused(settings, error) : error;
    });
    const secret = answer.headers['x-subject-token'] ?? (authentication.method === 'GET' ? authentication.headers['x-subject-token'] : undefined);
    if (typeof secret !== 'string') throw new OpenStackError('InvalidAnswer', `identity: ${settings.authUrl} gives no token: is this the address of Keystone?`, { service: 'identity' });
    const token = tokenOf(answer.body, secret, answer.dateMs, this.#clock.now());
    if (token === undefined) throw new OpenStackError('AuthenticationFailed', `the credentials of cloud "${settings.name}" are of no project: set project_name or project_id`, { service: 'identity' });
    return this.#token = token;
  }
}

function refused({ name, credentials }: CloudSettings, error: OpenStackError): OpenStackError {
  const what = { password: 'the user or its password', applicationCredential: 'the application credential', token: 'the token, which may have ended' }[credentials.kind];
  const { method, path, status, requestId } = error;
  return new OpenStackError('AuthenticationFailed', `Keystone does not take ${what} of cloud "${name}": ${error.message}`, {
    service: 'identity', method, path, ...(status === undefined ? {} : { status }), ...(requestId === undefined ? {} : { requestId }), cause: error,
  });
}
