import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { ApiError } from '../../kube/api-error.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Transport, TransportRequest } from '../../kube/transport.ts';
import { losslessCodec } from '../calico/lossless-codec.ts';

type Stored = KubeObject & { readonly spec?: unknown };

/**
 * An API server in memory, as far as addresses need one: cluster-wide and namespaced objects with real compare-and-swap
 * by resourceVersion, uids and preconditions. No watches, no validation. For the simulated network and for tests.
 */
export class MemoryApi implements Transport {
  readonly #objects = new Map<string, Stored>();
  #version = 0;
  /** Called before every request; may delay or fail it. */
  before: (request: TransportRequest) => Promise<void> = () => Promise.resolve();
  /** Requests by method. */
  readonly counts: Record<string, number> = {};

  async send(request: TransportRequest): Promise<string> {
    this.counts[request.method] = (this.counts[request.method] ?? 0) + 1;
    await this.before(request);
    return losslessCodec.stringify(this.#handle(request));
  }

  async open(request: TransportRequest): Promise<IncomingMessage> {
    return Readable.from([await this.send(request)]) as IncomingMessage;
  }

  close(): void {
    this.#objects.clear();
  }

  #handle(request: TransportRequest): unknown {
    const path = request.path.split('?')[0] ?? '';
    const body = request.body === undefined ? undefined : losslessCodec.parse(request.body);
    switch (request.method) {
      case 'GET':
        return this.#isCollection(path) ? this.#list(path) : this.#get(request, path);
      case 'POST':
        return this.#create(request, path, body as Stored);
      case 'PUT':
        return this.#update(request, path, body as Stored);
      case 'DELETE':
        return this.#delete(request, path, (body as { preconditions?: { uid?: string; resourceVersion?: string } } | undefined)?.preconditions ?? {});
      case 'PATCH':
        break;
    }
    throw refusal(request, 405, 'MethodNotAllowed');
  }

  /** `/apis/<group>/<version>/[namespaces/<namespace>/]<plural>` or with a name after it; `/api/v1/…` alike. */
  #isCollection(path: string): boolean {
    const parts = path.split('/').slice(path.startsWith('/apis/') ? 4 : 3);
    return (parts[0] === 'namespaces' && parts.length > 2 ? parts.length - 2 : parts.length) === 1;
  }

  #list(path: string): unknown {
    const items = [...this.#objects].filter(([key]) => key.slice(0, key.lastIndexOf('/')) === path).map(([, object]) => object);
    return { metadata: { resourceVersion: String(this.#version) }, items };
  }

  #get(request: TransportRequest, path: string): Stored {
    const object = this.#objects.get(path);
    if (object === undefined) throw refusal(request, 404, 'NotFound');
    return object;
  }

  #create(request: TransportRequest, path: string, object: Stored): Stored {
    const key = `${path}/${object.metadata.name}`;
    if (this.#objects.has(key)) throw refusal(request, 409, 'AlreadyExists');
    this.#version += 1;
    const metadata = { ...object.metadata, uid: `uid-${this.#version}`, resourceVersion: String(this.#version), creationTimestamp: new Date(0).toISOString() };
    return this.#store(key, { ...object, metadata });
  }

  #update(request: TransportRequest, path: string, object: Stored): Stored {
    const current = this.#get(request, path);
    const { resourceVersion, uid } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) throw refusal(request, 409, 'Conflict');
    if (uid !== undefined && uid !== current.metadata.uid) throw refusal(request, 409, 'Conflict');
    // Writing what is there already makes no new version.
    if (losslessCodec.stringify(object.spec) === losslessCodec.stringify(current.spec)) return current;
    this.#version += 1;
    return this.#store(path, { ...object, metadata: { ...current.metadata, ...object.metadata, resourceVersion: String(this.#version) } });
  }

  #delete(request: TransportRequest, path: string, preconditions: { readonly uid?: string; readonly resourceVersion?: string }): unknown {
    const { metadata } = this.#get(request, path);
    const { uid = metadata.uid, resourceVersion = metadata.resourceVersion } = preconditions;
    if (uid !== metadata.uid || resourceVersion !== metadata.resourceVersion) throw refusal(request, 409, 'Conflict');
    this.#objects.delete(path);
    return {};
  }

  #store(key: string, object: Stored): Stored {
    this.#objects.set(key, object);
    return object;
  }
}

function refusal(request: TransportRequest, status: number, reason: string): ApiError {
  return new ApiError(`${request.method} ${request.path}`, status, JSON.stringify({ reason, message: reason }));
}
