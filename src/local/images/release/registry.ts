import { LocalError } from '../../errors.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface RegistryOptions {
  /** With port where it is not the usual one, such as `registry.example.org` or `localhost:5000`. */
  readonly host: string;
  readonly credentials?: Credentials;
  /** Longest time of one request. Default 600 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The part of the OCI distribution API that a push needs. HTTPS, and plain HTTP on this machine alone. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #base: URL;
  readonly #authorizations = new Map<string, string>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    const secure = new URL(`https://${options.host}/`);
    this.#base = isLocal(secure) ? new URL(`http://${options.host}/`) : secure;
  }

  /** Uploads a blob unless the registry has it. False when it had. */
  async putBlob(repository: string, digest: string, content: () => Promise<Buffer>): Promise<boolean> {
    const path = `v2/${repository}/blobs/`;
    const known = await this.#send(repository, 'HEAD', new URL(`${path}${digest}`, this.#base));
    if (known.ok) return false;
    const started = await this.#expect(repository, 'POST', new URL(`${path}uploads/`, this.#base), [202]);
    const location = new URL(started.headers.get('location') ?? '', this.#base);
    location.searchParams.set('digest', digest);
    await this.#expect(repository, 'PUT', location, [201], { type: 'application/octet-stream', content: await content() });
    return true;
  }

  /** Stores a manifest, whose blobs are there, under a tag. Throws when the registry computes another digest. */
  async putManifest(repository: string, tag: string, manifest: { readonly type: string; readonly content: Buffer; readonly digest: string }): Promise<void> {
    const response = await this.#expect(repository, 'PUT', new URL(`v2/${repository}/manifests/${tag}`, this.#base), [201], manifest);
    const digest = response.headers.get('docker-content-digest') ?? manifest.digest;
    if (digest !== manifest.digest) throw new LocalError('PushFailed', `${this.#options.host} stored ${repository}:${tag} as ${digest} and not as ${manifest.digest}.`);
  }

  async #expect(repository: string, method: string, url: URL, statuses: readonly number[], body?: Body): Promise<Response> {
    const response = await this.#send(repository, method, url, body);
    if (statuses.includes(response.status)) return response;
    const detail = (await response.text().catch(() => '')).slice(0, 300);
    const hint = response.status === 401 || response.status === 403 ? ' Log in first (docker login, podman login or crane auth login write the file that is read).' : '';
    throw new LocalError('PushFailed', `${this.#options.host} answers ${response.status} to ${method} ${url.pathname}: ${detail || response.statusText}.${hint}`);
  }

  async #send(repository: string, method: string, url: URL, body?: Body): Promise<Response> {
    const first = await this.#request(method, url, this.#authorizations.get(repository), body);
    if (first.status !== 401) return first;
    const authorization = await this.#authorize(repository, first.headers.get('www-authenticate') ?? '');
    if (authorization === undefined) return first;
    this.#authorizations.set(repository, authorization);
    return this.#request(method, url, authorization, body);
  }

  async #request(method: string, url: URL, authorization: string | undefined, body?: Body): Promise<Response> {
    // A registry may lead elsewhere for uploads; what it hands out is of use only there.
    const headers = { ...(authorization === undefined || url.origin !== this.#base.origin ? {} : { authorization }), ...(body === undefined ? {} : { 'content-type': body.type }) };
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? 600_000);
    const signal = this.#options.signal === undefined ? timeout : AbortSignal.any([timeout, this.#options.signal]);
    try {
      return await fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body: new Uint8Array(body.content) }) });
    } catch (cause) {
      this.#options.signal?.throwIfAborted();
      throw new LocalError('RegistryUnreachable', `${url.origin} does not answer; check the name and the network, then push again: what is there already is not sent twice.`, { cause });
    }
  }

  /** The Authorization that a challenge asks for: Basic, or a token from where it says (distribution's token authentication). */
  async #authorize(repository: string, challenge: string): Promise<string | undefined> {
    const { credentials } = this.#options;
    const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;
    if (/^basic /i.test(challenge)) return basic;
    const field = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1];
    const realm = field('realm');
    if (!/^bearer /i.test(challenge) || realm === undefined) return undefined;
    const url = new URL(realm);
    if (url.protocol !== 'https:' && !isLocal(url)) throw new LocalError('PushFailed', `${this.#options.host} asks to log in at ${url.origin}, which is not encrypted.`);
    url.searchParams.set('scope', `repository:${repository}:pull,push`);
    const service = field('service');
    if (service !== undefined) url.searchParams.set('service', service);
    const response = await fetch(url, { headers: basic === undefined ? {} : { authorization: basic }, signal: AbortSignal.timeout(60_000) });
    if (!response.ok) return undefined;
    const { token, access_token: accessToken } = (await response.json()) as { readonly token?: string; readonly access_token?: string };
    const found = token ?? accessToken;
    return found === undefined ? undefined : `Bearer ${found}`;
  }
}

interface Body {
  readonly type: string;
  readonly content: Buffer;
}

function isLocal({ hostname }: URL): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}
