import { setTimeout as delay } from 'node:timers/promises';
import { LocalError } from '../errors.ts';

/** As whom one signs in; projects and users are those of the default domain. */
export type Identity =
  | { readonly user: string; readonly password: string; readonly project: string }
  | { readonly applicationCredential: { readonly id: string; readonly secret: string } };

export type ServiceType = 'identity' | 'compute' | 'network' | 'image' | 'volumev3' | 'placement';
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface Token {
  /** What goes with each call. */
  readonly secret: string;
  readonly catalog: readonly { readonly type: string; readonly endpoints: readonly { readonly interface: string; readonly url: string }[] }[];
  readonly project: { readonly id: string };
  readonly user: { readonly id: string };
}

const CALL_MS = 300_000;
/** While a service of the cloud starts anew, those that ask it answer 503. */
const UNAVAILABLE = 503;
const MOST_TRIES = 60;
const AGAIN_MS = 1000;
const MOST_OF_A_REFUSAL = 500;
/** What a path begins with behind the catalog's URL, where that does not have the version. */
const VERSIONS: Partial<Record<ServiceType, string>> = { network: '/v2.0', image: '/v2' };
const MICROVERSIONS: Partial<Record<ServiceType, string>> = { compute: 'compute 2.93', volumev3: 'volume 3.70', placement: 'placement 1.39' };

/** An API of OpenStack has not done what it was asked for. */
export class OpenStackRefusal extends LocalError {
  readonly status: number;

  constructor(call: string, status: number, text: string) {
    super('OpenStackRefusal', `OpenStack answers ${call} with ${status}: ${text.slice(0, MOST_OF_A_REFUSAL)}`);
    this.status = status;
  }
}

/** As much of a client as it takes to furnish an OpenStack of one's own. It signs in again when its token is good no more. */
export class OpenStackApi {
  readonly projectId: string;
  readonly userId: string;
  readonly #urls: ReadonlyMap<string, string>;
  readonly #renew: () => Promise<Token>;
  readonly #signal: AbortSignal | undefined;
  #secret: string;

  private constructor({ secret, catalog, project, user }: Token, renew: () => Promise<Token>, signal: AbortSignal | undefined) {
    this.#secret = secret;
    this.#renew = renew;
    this.#signal = signal;
    this.projectId = project.id;
    this.userId = user.id;
    this.#urls = new Map(catalog.map(({ type, endpoints }) => [type, endpoints.find((one) => one.interface === 'public')?.url ?? '']));
  }

  static async signIn(authUrl: string, identity: Identity, signal?: AbortSignal): Promise<OpenStackApi> {
    const renew = (): Promise<Token> => tokenOf(authUrl, identity, signal);
    return new OpenStackApi(await renew(), renew, signal);
  }

  get<T>(service: ServiceType, path: string): Promise<T> {
    return this.call(service, 'GET', path);
  }

  post<T>(service: ServiceType, path: string, body: object): Promise<T> {
    return this.call(service, 'POST', path, body);
  }

  put<T>(service: ServiceType, path: string, body?: object | Uint8Array): Promise<T> {
    return this.call(service, 'PUT', path, body);
  }

  delete(service: ServiceType, path: string): Promise<void> {
    return this.call(service, 'DELETE', path);
  }

  /** What the API answers: undefined where it says nothing. Bytes go as they are. Throws OpenStackRefusal. */
  async call<T>(service: ServiceType, method: Method, path: string, body?: object | Uint8Array): Promise<T> {
    const response = await this.#fetch(service, method, path, body);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** The data of an image. */
  async imageData(id: string): Promise<Buffer> {
    return Buffer.from(await (await this.#fetch('image', 'GET', `/images/${id}/file`)).arrayBuffer());
  }

  async #fetch(service: ServiceType, method: Method, path: string, body?: object | Uint8Array): Promise<Response> {
    const url = `${this.#urls.get(service)?.replace(/\/$/, '') ?? ''}${VERSIONS[service] ?? ''}${path}`;
    const microversion = MICROVERSIONS[service];
    const raw = body instanceof Uint8Array;
    let isRenewed = false;
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(url, {
        method, signal: limited(this.#signal), ...(body === undefined ? {} : { body: raw ? new Uint8Array(body) : JSON.stringify(body) }),
        headers: { 'x-auth-token': this.#secret, 'content-type': raw ? 'application/octet-stream' : 'application/json', ...(microversion === undefined ? {} : { 'openstack-api-version': microversion }) },
      });
      if (response.ok) return response;
      const isOld = response.status === 401 && !isRenewed;
      const isAway = response.status === UNAVAILABLE && method === 'GET' && tries < MOST_TRIES;
      if (!isOld && !isAway) throw new OpenStackRefusal(`${method} ${url}`, response.status, await response.text());
      await response.body?.cancel();
      if (isOld) {
        this.#secret = (await this.#renew()).secret;
        isRenewed = true;
      } else {
        await delay(AGAIN_MS, undefined, this.#signal === undefined ? {} : { signal: this.#signal });
      }
    }
  }
}

async function tokenOf(authUrl: string, identity: Identity, signal: AbortSignal | undefined): Promise<Token> {
  const url = `${authUrl}/auth/tokens`;
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ auth: authOf(identity) }), signal: limited(signal) });
  if (response.status !== 201) throw new OpenStackRefusal(`POST ${url}`, response.status, await response.text());
  const { token } = await response.json() as { readonly token: Omit<Token, 'secret'> };
  return { ...token, secret: response.headers.get('x-subject-token') ?? '' };
}

function authOf(identity: Identity): object {
  if ('applicationCredential' in identity) return { identity: { methods: ['application_credential'], application_credential: identity.applicationCredential } };
  const domain = { id: 'default' };
  const { user, password, project } = identity;
  return { identity: { methods: ['password'], password: { user: { name: user, password, domain } } }, scope: { project: { name: project, domain } } };
}

function limited(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(CALL_MS);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
