import type http from 'node:http';
import { abortable } from './abortable.ts';
import { hasCode, ifMissing, OpenStackError } from './errors.ts';
import type { HttpAnswer, HttpMethod } from './http.ts';
import { compareMicroversions, isMicroversion, negotiate, offeredRange, type Microversion, type MicroversionRange } from './microversion.ts';
import type { Page } from './page.ts';
import type { ServiceName } from './service-name.ts';
import type { Session } from './session.ts';
import { Wire } from './wire.ts';

/** How a service's addresses and versions look. */
export interface ServiceShape {
  readonly name: ServiceName;
  /** Segment of the path that names the version of the API, such as `v2.1`, where the catalog leaves it out. */
  readonly version?: { readonly segment: string; readonly pattern: RegExp; /** Whether the id of the project follows it. */ readonly project?: boolean };
  /** Absent: the service has no microversions. */
  readonly microversions?: { readonly major: number; readonly range: MicroversionRange; /** Whether each call names one. */ readonly sent: boolean };
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions<T> {
  readonly path: string;
  /** Field of the answer that holds the list. */
  readonly field: string;
  readonly read: (one: Wire) => T;
  readonly query?: CallOptions['query'];
  readonly pageSize: number;
  /** Whether a full page without a link may have another after it. Default false. */
  readonly asksBeyond?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A path whose ids and names are no more than that, whatever is in them. Throws RangeError for what cannot be one. */
export function path(fixed: TemplateStringsArray, ...ids: readonly string[]): string {
  for (const id of ids) if (/^\.{0,2}$/.test(id)) throw new RangeError(`"${id}" is no id or name of an object`);
  return String.raw({ raw: fixed }, ...ids.map(encodeURIComponent));
}

/** More pages than this are taken for a service that does not come to an end. */
const MOST_PAGES = 10_000;

/** One service of a cloud: where it is and which microversion is spoken are found out with the first call. */
export class ServiceClient {
  readonly name: ServiceName;
  readonly session: Session;
  readonly #shape: ServiceShape;
  #version: Promise<Microversion> | undefined;

  constructor(session: Session, shape: ServiceShape) {
    this.name = shape.name;
    this.session = session;
    this.#shape = shape;
  }

  /** The body of the answer. Rejects with an OpenStackError. */
  async call(method: HttpMethod, path: string, options: CallOptions = {}): Promise<Wire> {
    return this.wire(path, (await this.send(method, path, options)).body ?? {});
  }

  wire(path: string, body: unknown): Wire {
    return new Wire(this.name, `the answer of ${path}`, body);
  }

  async send(method: HttpMethod, path: string, options: CallOptions = {}): Promise<HttpAnswer> {
    const { body, signal } = options;
    const request = { service: this.name, method, ...(await this.#addressed(path, options)), ...(body === undefined ? {} : { body }), ...(signal === undefined ? {} : { signal }) };
    return this.session.send(request).catch((error: unknown) => this.#failed(error));
  }

  async stream(path: string, options: CallOptions = {}): Promise<http.IncomingMessage> {
    const { signal } = options;
    return this.session.stream({ service: this.name, method: 'GET', ...(await this.#addressed(path, options)), ...(signal === undefined ? {} : { signal }) });
  }

  /** Undefined where there is no such object. */
  async find<T>(path: string, read: (answer: Wire) => T, signal?: AbortSignal): Promise<T | undefined> {
    const answer = await this.call('GET', path, { signal }).catch(ifMissing(undefined));
    return answer === undefined ? undefined : read(answer);
  }

  /** No error where there is no such object. */
  async remove(path: string, signal?: AbortSignal): Promise<void> {
    await this.send('DELETE', path, { signal }).catch(ifMissing(undefined));
  }

  /** Page by page; throws at the page that fails, so that a part never looks like the whole. */
  async *list<T>({ path, field, read, query, pageSize, asksBeyond = false, signal }: ListOptions<T>): AsyncGenerator<Page<T>, void, undefined> {
    let marker: string | undefined;
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const { body, dateMs } = await this.send('GET', path, { query: { ...query, limit: pageSize, marker }, signal });
      const answer = this.wire(path, body);
      const raw = answer.objects(field);
      yield { items: Object.freeze(raw.map(read)), dateMs };
      const next = nextMarker(answer) ?? (asksBeyond && raw.length >= pageSize ? raw.at(-1)?.text('id') : undefined);
      if (next === undefined) return;
      if (next === marker) break;
      marker = next;
    }
    throw new OpenStackError('InvalidAnswer', `${this.name}: the list ${path} does not come to an end`, { service: this.name, method: 'GET', path, disposition: 'stalled' });
  }

  /** Rejects with MicroversionUnsupported when the service and this program have none in common. */
  async supports(version: Microversion, signal?: AbortSignal): Promise<boolean> {
    return compareMicroversions(await this.version(signal), version) >= 0;
  }

  /** Rejects with MicroversionUnsupported, naming what needs it, when the service is too old. */
  async need(version: Microversion, feature: string, signal?: AbortSignal): Promise<void> {
    if (await this.supports(version, signal)) return;
    throw new OpenStackError('MicroversionUnsupported', `${this.name}: ${feature} needs microversion ${version}, and ${await this.version(signal)} is spoken`, { service: this.name });
  }

  /** The microversion that is spoken. */
  version(signal?: AbortSignal): Promise<Microversion> {
    return abortable(this.#version ??= this.#negotiate().catch((error: unknown) => {
      this.#version = undefined;
      throw error;
    }), signal);
  }

  async #addressed(path: string, { query = {}, headers, signal }: CallOptions): Promise<{ readonly url: URL; readonly headers: Readonly<Record<string, string>> }> {
    const url = new URL(`${await this.#base(signal)}${path}`);
    for (const [name, value] of Object.entries(query)) {
      for (const one of Array.isArray(value) ? value as readonly string[] : [value]) if (one !== undefined) url.searchParams.append(name, String(one));
    }
    const sent = this.#shape.microversions?.sent === true ? { 'openstack-api-version': `${this.name} ${await this.version(signal)}` } : {};
    return { url, headers: { ...sent, ...headers } };
  }

  async #base(signal?: AbortSignal): Promise<string> {
    const endpoint = await this.session.endpoint(this.name, signal);
    const { version } = this.#shape;
    if (version === undefined || version.pattern.test(new URL(endpoint).pathname)) return endpoint;
    return `${endpoint}/${version.segment}${version.project === true ? `/${(await this.session.token(signal)).projectId}` : ''}`;
  }

  async #negotiate(): Promise<Microversion> {
    const { name, microversions } = this.#shape;
    if (microversions === undefined) throw new OpenStackError('MicroversionUnsupported', `${name} has no microversions`, { service: name });
    const theirs = await this.#offered(microversions.major);
    return negotiate(name, this.#capped(microversions.range), theirs);
  }

  /** Not above what the settings of the cloud allow. */
  #capped(range: MicroversionRange): MicroversionRange {
    const cap = this.session.settings.microversions[this.name];
    return cap === undefined || !isMicroversion(cap) || compareMicroversions(cap, range.maximum) >= 0 ? range : { ...range, maximum: cap };
  }

  /** The document is at the root of the service; where a proxy hides that, at its version too. */
  async #offered(major: number): Promise<MicroversionRange> {
    const base = new URL(await this.#base());
    const [, root = base.pathname, segment = ''] = /^(.*?)(\/v[0-9][^/]*)(\/.*)?$/.exec(base.pathname) ?? [];
    for (const path of segment === '' ? [`${root}/`] : [`${root}/`, `${root}${segment}/`]) {
      const range = await this.#document(new URL(path.replace(/\/{2,}$/, '/'), base), major).catch((error: unknown) => {
        if (!hasCode(error, 'NotFound', 'Forbidden', 'InvalidRequest', 'InvalidAnswer')) throw error;
        return undefined;
      });
      if (range !== undefined) return range;
    }
    throw new OpenStackError('InvalidAnswer', `${this.name}: there is no version document of an API v${major} at ${base.origin}${root}/`, { service: this.name, disposition: 'stalled' });
  }

  async #document(url: URL, major: number): Promise<MicroversionRange | undefined> {
    const { body } = await this.session.send({ service: this.name, method: 'GET', url, accept: [300] });
    return offeredRange(this.name, major, body);
  }

  #failed(error: unknown): never {
    // Another version answers than the one that was asked at first: the next call asks anew.
    if (hasCode(error, 'MicroversionUnsupported')) this.#version = undefined;
    throw error;
  }
}

/** Links may name a host that only the service itself knows, so that only their marker is taken. */
function nextMarker(answer: Wire): string | undefined {
  for (const [name, value] of answer.entries()) {
    if (name === 'next' && typeof value === 'string') return markerOf(value);
    if (!name.endsWith('_links') || !Array.isArray(value)) continue;
    const next = value.find((link: { readonly rel?: unknown } | null) => link?.rel === 'next') as { readonly href?: unknown } | undefined;
    if (typeof next?.href === 'string') return markerOf(next.href);
  }
  return undefined;
}

function markerOf(href: string): string | undefined {
  return new URL(href, 'http://service').searchParams.get('marker') ?? undefined;
}
