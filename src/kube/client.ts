import type { IncomingMessage } from 'node:http';
import { apiVersionOf, type KubeObject, type Resource } from './object.ts';
import type { Transport, TransportRequest } from './transport.ts';

export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Page size; the server's choice when absent. */
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
}

export interface ObjectList<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface WatchOptions extends ListOptions {
  /** The server ends the watch after this long. */
  readonly timeoutSeconds?: number;
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  /** `All` to let the server check without storing. */
  readonly dryRun?: 'All';
}

export interface ApplyOptions extends WriteOptions {
  /** Who owns the fields that are applied. */
  readonly fieldManager: string;
  /** Take fields from other managers. Default true: a controller's own fields are its own. */
  readonly force?: boolean;
  readonly subresource?: 'status' | 'scale';
}

export interface DeleteOptions extends WriteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/** What is sent for an apply: identity and the fields that the manager wants to own. */
export type Applied = { readonly metadata: { readonly name: string; readonly namespace?: string } & Readonly<Record<string, unknown>> } & Readonly<Record<string, unknown>>;

/** JSON of the API; another codec keeps 64-bit integers whole. */
export interface Codec {
  parse(text: string): unknown;
  stringify(value: unknown): string;
}

/** Told of every call that ended: for metrics. */
export type CallObserver = (verb: string, resource: Resource, code: 'ok' | 'error') => void;

/**
 * A typed client for any kind. Every method throws ApiError (the server's answer) or ApiUnavailableError
 * (no answer). Objects come as sent by the server, times as strings.
 */
export class KubeClient {
  readonly #transport: Transport;
  readonly #codec: Codec;
  readonly #observe: CallObserver;

  constructor(transport: Transport, options: { readonly codec?: Codec; readonly observe?: CallObserver } = {}) {
    this.#transport = transport;
    this.#codec = options.codec ?? JSON;
    this.#observe = options.observe ?? (() => {});
  }

  /** The same connections with another JSON codec. */
  withCodec(codec: Codec): KubeClient {
    return new KubeClient(this.#transport, { codec, observe: this.#observe });
  }

  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T> {
    return this.#call('get', resource, { method: 'GET', path: pathOf(resource, ref), ...withSignal(signal), ...acceptOf(resource, 'PartialObjectMetadata') });
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const path = `${collectionOf(resource, options.namespace)}${queryOf(listQuery(options))}`;
    const list = await this.#call<Pick<ObjectList<T>, 'metadata'> & { readonly items: readonly T[] | null }>('list', resource, { method: 'GET', path, ...withSignal(options.signal), ...acceptOf(resource, 'PartialObjectMetadataList') });
    // Items of a list carry neither apiVersion nor kind; an empty list of metadata may be null.
    const identity = { apiVersion: apiVersionOf(resource), kind: resource.kind };
    return { metadata: list.metadata, items: (list.items ?? []).map((item) => ({ ...item, ...identity })) };
  }

  /** Every object, fetched in pages of 500. */
  async listAll<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const items: T[] = [];
    let page = await this.list(resource, { limit: 500, ...options });
    items.push(...page.items);
    while (page.metadata.continue) {
      page = await this.list(resource, { limit: 500, ...options, continue: page.metadata.continue });
      items.push(...page.items);
    }
    return { metadata: page.metadata, items };
  }

  /** The raw stream of a watch, one JSON event a line; see watchEvents. */
  openWatch(resource: Resource, options: WatchOptions = {}): Promise<IncomingMessage> {
    const query = { ...listQuery(options), watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: options.timeoutSeconds };
    const path = `${collectionOf(resource, options.namespace)}${queryOf(query)}`;
    return this.#observed('watch', resource, () =>
      this.#transport.open({ method: 'GET', path, ...withSignal(options.signal), ...acceptOf(resource, 'PartialObjectMetadata'), idleTimeoutMs: ((options.timeoutSeconds ?? 600) + 30) * 1000 }));
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const path = `${collectionOf(resource, object.metadata.namespace)}${queryOf({ dryRun: options.dryRun })}`;
    return this.#call('create', resource, { method: 'POST', path, body: this.#codec.stringify(object), ...withSignal(options.signal) });
  }

  /** Replaces the object; its resourceVersion guards against lost updates (409 Conflict). */
  update<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions & { readonly subresource?: 'status' } = {}): Promise<T> {
    const path = `${pathOf(resource, object.metadata, options.subresource)}${queryOf({ dryRun: options.dryRun })}`;
    return this.#call('update', resource, { method: 'PUT', path, body: this.#codec.stringify(object), ...withSignal(options.signal) });
  }

  /** Server-side apply: creates the object or merges the given fields into it, owning them. */
  apply<T extends KubeObject>(resource: Resource<T>, object: Applied, options: ApplyOptions): Promise<T> {
    const query = queryOf({ fieldManager: options.fieldManager, force: String(options.force ?? true), dryRun: options.dryRun });
    const body = this.#codec.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object });
    const path = `${pathOf(resource, object.metadata, options.subresource)}${query}`;
    return this.#call('apply', resource, { method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml', ...withSignal(options.signal) });
  }

  /** A merge patch (RFC 7396), or with an array a JSON patch (RFC 6902). */
  patch<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, patch: object, options: WriteOptions & { readonly subresource?: string; readonly type?: 'strategic' } = {}): Promise<T> {
    const kind = Array.isArray(patch) ? 'json-patch' : options.type === 'strategic' ? 'strategic-merge-patch' : 'merge-patch';
    const path = `${pathOf(resource, ref, options.subresource)}${queryOf({ dryRun: options.dryRun })}`;
    return this.#call('patch', resource, { method: 'PATCH', path, body: this.#codec.stringify(patch), contentType: `application/${kind}+json`, ...withSignal(options.signal) });
  }

  /** Asks for deletion; an object with finalizers or a grace period lives on for a while. */
  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const { signal, dryRun, ...rest } = options;
    const path = `${pathOf(resource, ref)}${queryOf({ dryRun })}`;
    await this.#call('delete', resource, { method: 'DELETE', path, body: JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', ...rest }), ...withSignal(signal) });
  }

  /** Any other path of the API server, such as `/readyz` or a pod's log; the body as text. */
  raw(request: TransportRequest): Promise<string> {
    return this.#transport.send(request);
  }

  close(): void {
    this.#transport.close();
  }

  #call<R>(verb: string, resource: Resource, request: TransportRequest): Promise<R> {
    return this.#observed(verb, resource, async () => this.#codec.parse(await this.#transport.send(request)) as R);
  }

  async #observed<R>(verb: string, resource: Resource, call: () => Promise<R>): Promise<R> {
    try {
      const result = await call();
      this.#observe(verb, resource, 'ok');
      return result;
    } catch (error) {
      this.#observe(verb, resource, 'error');
      throw error;
    }
  }
}

export function collectionOf(resource: Resource, namespace?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${resource.plural}`;
}

export function pathOf(resource: Resource, ref: ObjectRef, subresource?: string): string {
  const tail = subresource === undefined ? '' : `/${subresource}`;
  return `${collectionOf(resource, ref.namespace)}/${encodeURIComponent(ref.name)}${tail}`;
}

function listQuery(options: ListOptions): Record<string, string | number | undefined> {
  const { labelSelector, fieldSelector, limit, resourceVersion } = options;
  return { labelSelector, fieldSelector, limit, resourceVersion, continue: options.continue };
}

function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches */
function acceptOf(resource: Resource, as: 'PartialObjectMetadata' | 'PartialObjectMetadataList'): { accept?: string } {
  return resource.metadataOnly === true ? { accept: `application/json;as=${as};g=meta.k8s.io;v=v1` } : {};
}
