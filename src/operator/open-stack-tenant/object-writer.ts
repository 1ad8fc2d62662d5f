import type { Clock } from '../../base/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { keyFor, type KubeObject } from '../../kube/object.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { framed } from './object-frame.ts';
import { idLabelOf, isOf, type MirrorInformers } from './informers.ts';
import { withSuffix } from './names.ts';
import { patchOf, pathsOf } from './patch.ts';
import { identityOf, itemKey, type AnyTarget, type Source, type Wanted } from './target.ts';
import type { Written } from './last-writes.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface WriterContext {
  readonly client: KubeClient;
  readonly informers: MirrorInformers;
  readonly clock: Clock;
}

/** One object that is to be written. */
export interface Item {
  readonly target: AnyTarget;
  readonly idLabel: string;
  readonly source: Source;
  readonly tenant: OpenStackTenant;
  readonly wanted: Wanted;
}

export type CreateOutcome =
  | { readonly kind: 'made'; readonly object: KubeObject }
  /** The cache will show what was made a moment ago. */
  | { readonly kind: 'there' }
  /** All its names are others'. */
  | { readonly kind: 'taken'; readonly names: readonly string[] };

/** What was done to an object that was there; `changed` are the paths that differed, but for its owner and its status. */
export interface PatchOutcome {
  readonly object: KubeObject;
  readonly changed: readonly string[];
}

/** Writes objects that mirror something: never one that is not the tenant's, and only what differs. */
export class ObjectWriter {
  readonly #context: WriterContext;
  readonly #written: Written;

  constructor(context: WriterContext, written: Written) {
    this.#context = context;
    this.#written = written;
  }

  async create(item: Item, signal: AbortSignal): Promise<CreateOutcome> {
    const { target, idLabel, source, tenant, wanted } = item;
    const place = placeOf(target, tenant);
    const { metadata, ...body } = framed(target, tenant, idLabel, target.originalName(source), wanted, undefined) as Fields & { readonly metadata: Fields };
    const base = target.baseName(source, tenant);
    const names = [base, withSuffix(base, idLabel, target.nameLimit)];
    for (const name of names) {
      // What the cache shows need not be tried.
      if (this.#context.informers[target.name].get(keyFor(place.namespace, name)) !== undefined) continue;
      const made = await this.#tryName(item, { ...identityOf(target), ...body, metadata: { ...place, name, ...withoutNulls(metadata) } }, signal);
      if (made === 'taken') continue;
      if (made === 'there') return { kind: 'there' };
      await this.#status(item, made, signal);
      return { kind: 'made', object: made };
    }
    return { kind: 'taken', names };
  }

  /** Rejects with Conflict where somebody else has changed it meanwhile. */
  async patch(item: Item, existing: KubeObject, signal: AbortSignal): Promise<PatchOutcome> {
    const { target, idLabel, source, tenant, wanted } = item;
    const patch = patchOf(existing as unknown as Fields, framed(target, tenant, idLabel, target.originalName(source), wanted, existing), target.whole);
    const paths = patch === undefined ? [] : pathsOf(patch);
    if (target.isFixed?.(paths) === true) {
      // Its end is told by the cache, and then it is made anew.
      await this.remove(target, existing, signal);
      return { object: existing, changed: [] };
    }
    const object = patch === undefined ? existing : await this.#write(item, existing, patch, signal);
    // A definition of another release may not keep a field: then it differs for ever, and nobody has changed it.
    const isKept = object.metadata.resourceVersion !== existing.metadata.resourceVersion;
    await this.#status(item, object, signal);
    return { object, changed: isKept ? paths.filter((path) => !path.startsWith('metadata.ownerReferences')) : [] };
  }

  async remove({ resource }: AnyTarget, { metadata: { name, namespace, uid } }: KubeObject, signal: AbortSignal): Promise<void> {
    await this.#context.client.delete(resource, { name, ...(namespace === undefined ? {} : { namespace }) }, { ...(uid === undefined ? {} : { preconditions: { uid } }), signal }).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
  }

  async #tryName({ target, idLabel, tenant }: Item, object: KubeObject, signal: AbortSignal): Promise<KubeObject | 'there' | 'taken'> {
    const { client, clock } = this.#context;
    try {
      const made = await client.create(target.resource, object, { signal });
      this.#written.wrote(itemKey(target.name, idLabel), made, clock.now());
      return made;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      // It may be ours, of a moment ago.
      const found = await client.get(target.resource, object.metadata, signal).catch((fault: unknown) => (isNotFound(fault) ? undefined : Promise.reject(fault)));
      return found === undefined || (isOf(found, tenant) && idLabelOf(found) === idLabel) ? 'there' : 'taken';
    }
  }

  async #write({ target, idLabel }: Item, existing: KubeObject, patch: Fields, signal: AbortSignal): Promise<KubeObject> {
    const { client, clock } = this.#context;
    const metadata = { ...patch['metadata'] as Fields | undefined, resourceVersion: existing.metadata.resourceVersion };
    const written = await client.patch(target.resource, existing.metadata, { ...patch, metadata }, { signal });
    this.#written.wrote(itemKey(target.name, idLabel), written, clock.now());
    return written;
  }

  async #status({ target, idLabel, wanted: { status } }: Item, object: KubeObject, signal: AbortSignal): Promise<void> {
    if (status === undefined) return;
    const patch = patchOf({ status: (object as KubeObject & { readonly status?: unknown }).status ?? {} }, { status }, target.whole);
    if (patch === undefined) return;
    const { client, clock } = this.#context;
    const written = await client.patch(target.resource, object.metadata, patch, { subresource: 'status', signal });
    this.#written.wrote(itemKey(target.name, idLabel), written, clock.now());
  }
}

function placeOf({ resource }: AnyTarget, { metadata: { namespace } }: OpenStackTenant): { readonly namespace?: string } {
  return resource.namespaced && namespace !== undefined ? { namespace } : {};
}

/** A merge patch takes away by null; what is made has nothing yet. */
function withoutNulls({ annotations, ...metadata }: Fields): Fields {
  return { ...metadata, annotations: Object.fromEntries(Object.entries(annotations ?? {}).filter(([, value]) => value !== null)) };
}
