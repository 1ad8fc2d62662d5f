import { Readable } from 'node:stream';
import type http from 'node:http';
import { ApiError } from './api-error.ts';
import type { Transport, TransportRequest } from './transport.ts';

interface Json {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion?: string; readonly uid?: string };
  readonly spec?: unknown;
}

interface Watcher {
  readonly stream: Readable;
  readonly collection: string;
}

/**
 * A transport that behaves like one collection-agnostic API server, for unit tests: objects by path, resource
 * versions, watches, and faults on demand. It checks no schema and merges applies shallowly.
 */
export class FakeApi implements Transport {
  readonly objects = new Map<string, Json>();
  readonly requests: string[] = [];
  /** Answers of the next calls that match, in order; taken off when used. */
  readonly faults: { readonly match: RegExp; readonly status: number; readonly reason?: string }[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 1;

  async send(request: TransportRequest): Promise<string> {
    return JSON.stringify(this.#answer(request));
  }

  async open(request: TransportRequest): Promise<http.IncomingMessage> {
    this.#record(request);
    const [path = ''] = request.path.split('?');
    const stream = new Readable({ read: () => {} });
    const watcher = { stream, collection: path };
    this.#watchers.add(watcher);
    stream.on('close', () => this.#watchers.delete(watcher));
    request.signal?.addEventListener('abort', () => stream.destroy(), { once: true });
    return stream as http.IncomingMessage;
  }

  close(): void {
    this.endWatches();
  }

  /** Puts an object at `<collection>/<name>` and tells the watches. */
  put(collection: string, object: Json): void {
    const path = `${collection}/${object.metadata.name}`;
    const type = this.objects.has(path) ? 'MODIFIED' : 'ADDED';
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String((this.#version += 1)) } };
    this.objects.set(path, stored);
    this.#tell(collection, { type, object: stored });
  }

  remove(collection: string, name: string): void {
    const path = `${collection}/${name}`;
    const object = this.objects.get(path);
    this.objects.delete(path);
    if (object !== undefined) this.#tell(collection, { type: 'DELETED', object: { ...object, metadata: { ...object.metadata, resourceVersion: String((this.#version += 1)) } } });
  }

  /** Sends any event to all watches, such as an ERROR or a BOOKMARK. */
  emit(event: unknown): void {
    for (const { stream } of this.#watchers) stream.push(`${JSON.stringify(event)}\n`);
  }

  endWatches(): void {
    for (const { stream } of this.#watchers) stream.push(null);
  }

  get watches(): number {
    return this.#watchers.size;
  }

  #answer(request: TransportRequest): unknown {
    this.#record(request);
    const [path = '', query = ''] = request.path.split('?');
    const target = path.replace(/\/(status|approval)$/, '');
    switch (request.method) {
      case 'GET':
        if (!this.objects.has(path) && isObjectPath(path)) throw error(request, 404, 'NotFound');
        return this.objects.get(path) ?? this.#list(path, new URLSearchParams(query));
      case 'POST': {
        const object = JSON.parse(request.body ?? '') as Json;
        if (this.objects.has(`${path}/${object.metadata.name}`)) throw error(request, 409, 'AlreadyExists');
        this.put(path, object);
        return this.objects.get(`${path}/${object.metadata.name}`);
      }
      case 'PUT':
      case 'PATCH':
        return this.#write(request, target);
      case 'DELETE':
        if (!this.objects.has(path)) throw error(request, 404, 'NotFound');
        this.remove(path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1));
        return {};
    }
  }

  #write(request: TransportRequest, path: string): unknown {
    // Server-side apply makes what is not there; a subresource of nothing is nothing.
    const isApply = request.contentType === 'application/apply-patch+yaml' && request.path.startsWith(`${path}?`);
    const known = this.objects.get(path) ?? (isApply ? { metadata: { name: '' } } : undefined);
    if (known === undefined) throw error(request, 404, 'NotFound');
    const change = JSON.parse(request.body ?? '') as Json;
    if (change.metadata?.resourceVersion !== undefined && change.metadata.resourceVersion !== known.metadata.resourceVersion) throw error(request, 409, 'Conflict');
    this.put(path.slice(0, path.lastIndexOf('/')), { ...known, ...change, metadata: { ...known.metadata, ...change.metadata } });
    return this.objects.get(path);
  }

  #list(path: string, query: URLSearchParams): unknown {
    const items = [...this.objects].filter(([key]) => key.slice(0, key.lastIndexOf('/')) === path).map(([, object]) => object);
    if (items.length === 0 && /\/(a|b|c|missing|lease)$/.test(path)) throw new ApiError(`GET ${path}`, 404, '{"reason":"NotFound"}');
    const from = Number(query.get('continue') ?? 0);
    const limit = Number(query.get('limit') ?? items.length);
    const next = from + limit < items.length ? { continue: String(from + limit) } : {};
    return { metadata: { resourceVersion: String(this.#version), ...next }, items: items.slice(from, from + limit) };
  }

  #record(request: TransportRequest): void {
    const call = `${request.method} ${request.path}`;
    this.requests.push(call);
    const index = this.faults.findIndex(({ match }) => match.test(call));
    if (index < 0) return;
    const [fault] = this.faults.splice(index, 1);
    throw error(request, fault?.status ?? 500, fault?.reason);
  }

  #tell(collection: string, event: unknown): void {
    for (const watcher of this.#watchers) if (watcher.collection === collection) watcher.stream.push(`${JSON.stringify(event)}\n`);
  }
}

/** Whether one object of the API lies there, not a collection. */
function isObjectPath(path: string): boolean {
  const [, rest = ''] = /^\/(?:api\/[^/]+|apis\/[^/]+\/[^/]+)\/(.*)$/.exec(path) ?? [];
  return rest !== '' && rest.split('/').length % 2 === 0;
}

function error(request: TransportRequest, status: number, reason?: string): ApiError {
  return new ApiError(`${request.method} ${request.path}`, status, reason === undefined ? '' : JSON.stringify({ reason }));
}
