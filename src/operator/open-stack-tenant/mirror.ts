import { messageOf } from '../../base/errors.ts';
import { isConflict, isNotFound, isRefused } from '../../kube/api-error.ts';
import type { EventNote, EventRecorder } from '../../kube/event-recorder.ts';
import { isDeleting, keyFor, keyOf, type KubeObject, type ObjectKey } from '../../kube/object.ts';
import type { OpenStackTenant, VirtualMachine } from '../../kube/yadokari.ts';
import type { ComputeService } from '../../openstack/compute/port.ts';
import type { Server } from '../../openstack/compute/types.ts';
import type { InventoryState } from '../../openstack/inventory/state.ts';
import { forEachBounded } from './bounded-work.ts';
import { Dirty, type Cause } from './dirty-keys.ts';
import { idLabelOf, isOf, mirroredKey, snapshotKey } from './informers.ts';
import { labelOfId, withSuffix } from './names.ts';
import { ObjectWriter, type Item, type WriterContext } from './object-writer.ts';
import { heldBack, operate } from './operate.ts';
import { Problems } from './problems.ts';
import { StateIndex } from './state-index.ts';
import { identityOf, itemKey, type AnyTarget, type MapContext, type Mapping, type ReservedRange, type Source, type TargetName } from './target.ts';
import { TARGETS } from './targets/all.ts';
import { machineOf } from './targets/servers.ts';
import { Written } from './last-writes.ts';

export interface MirrorContext extends WriterContext {
  readonly events: EventRecorder;
}

/** What is mirrored, as of the last sync. */
export interface MirrorView {
  readonly tenant: OpenStackTenant;
  readonly state: InventoryState;
  readonly reserved: readonly ReservedRange[];
  readonly compute: ComputeService;
  /** Whether a machine of this cluster stands for the server. */
  readonly isReleased?: (serverId: string) => boolean;
}

export interface Round {
  /** What was changed here and put back, such as `VirtualMachine web (spec.runStrategy)`. */
  readonly putBack: readonly string[];
  /** What has changed in the cloud and is still to be looked at. */
  readonly left: number;
  /** After how many milliseconds the rest of it can be looked at. */
  readonly againMs?: number;
  /** A server is on its way to what it was asked for. */
  readonly isPending: boolean;
}

/** What became of one object. */
interface Settled {
  /** It has to be looked at again, after so many milliseconds. */
  readonly waitMs?: number;
  readonly putBack?: string;
  readonly isPending?: boolean;
}

interface Mapped {
  readonly mapping: Mapping;
  readonly notes: readonly EventNote[];
  readonly isPending: boolean;
}

/** Objects that one round looks at, so that the status tells of progress. */
const MOST_PER_ROUND = 2000;
const AT_ONCE = 8;
const CONFLICT_MS = 200;

/** Brings the objects here to what the cloud has: only those that are marked are looked at, and only what differs is written. */
export class Mirror {
  readonly dirty = new Dirty();
  readonly problems = new Problems();
  readonly index = new StateIndex();
  readonly #context: MirrorContext;
  readonly #tenant: ObjectKey;
  readonly #written = new Written();
  readonly #writer: ObjectWriter;
  /** What is tried again with the next sync. */
  readonly #later = new Map<string, { readonly target: TargetName; readonly idLabel: string }>();
  /** Generations of machines whose change was refused: not tried again before the next sync. */
  readonly #refused = new Map<string, number | undefined>();

  constructor(context: MirrorContext, tenant: ObjectKey) {
    this.#context = context;
    this.#tenant = tenant;
    this.#writer = new ObjectWriter(context, this.#written);
  }

  /** All that is there and all that is here. */
  markAll(state: InventoryState): void {
    for (const { name, source } of TARGETS) {
      for (const id of state[source].keys()) this.dirty.mark(name, labelOfId(id), 'there');
      for (const object of this.#context.informers[name].byIndex('tenant', this.#tenant)) this.dirty.mark(name, idLabelOf(object), 'there');
    }
  }

  /** What was refused, by the API server or by the cloud. */
  markLater(): void {
    for (const { target, idLabel } of this.#later.values()) this.dirty.mark(target, idLabel, 'there');
    this.#later.clear();
    this.#refused.clear();
  }

  /** Rejects with the first fault that is worth repeating; what met one stays marked. */
  async work(view: MirrorView, signal: AbortSignal): Promise<Round> {
    const round = { putBack: [] as string[], againMs: Infinity, isPending: false };
    let budget = MOST_PER_ROUND;
    for (const target of this.#known()) {
      const taken = this.dirty.take(target.name, budget);
      budget -= taken.size;
      await forEachBounded(taken, AT_ONCE, async ([idLabel, cause]) => {
        const { waitMs, putBack, isPending = false } = await this.#settle(target, idLabel, cause, view, signal).catch((error: unknown) => {
          this.dirty.mark(target.name, idLabel, cause);
          throw error;
        });
        if (waitMs !== undefined) this.dirty.mark(target.name, idLabel, cause);
        round.againMs = Math.min(round.againMs, waitMs ?? Infinity);
        round.isPending ||= isPending;
        if (putBack !== undefined) round.putBack.push(putBack);
      });
    }
    const left = this.#known().reduce((sum, { name }) => sum + this.dirty.count(name, 'there'), 0);
    const againMs = budget <= 0 ? 1 : round.againMs;
    return { putBack: round.putBack, left, isPending: round.isPending, ...(Number.isFinite(againMs) ? { againMs } : {}) };
  }

  /** Of kinds that the cluster lacks nothing is known, and the marks wait. */
  #known(): readonly AnyTarget[] {
    return TARGETS.filter(({ name }) => this.#context.informers[name].hasSynced);
  }

  /** Brings one object to what is wanted. */
  async #settle(target: AnyTarget, idLabel: string, cause: Cause, view: MirrorView, signal: AbortSignal): Promise<Settled> {
    const { tenant } = view;
    const existing = this.#existing(target.name, idLabel, tenant);
    const key = itemKey(target.name, idLabel);
    const waitMs = this.#written.leftMs(key, existing, this.#context.clock.now());
    if (waitMs > 0) return { waitMs };
    // Its end is told by the cache.
    if (existing !== undefined && isDeleting(existing)) return {};
    const source = sourceOf(view, target, idLabel);
    const mapped = source === undefined ? undefined : await this.#map(target, source, existing, view, signal);
    if (source === undefined || mapped === undefined || mapped.mapping.kind !== 'wanted') {
      const { problem, overlap } = mapped?.mapping.kind === 'impossible' ? mapped.mapping : {};
      this.problems.set(key, problem, overlap);
      if (existing !== undefined) await this.#writer.remove(target, existing, signal);
      return {};
    }
    const { wanted } = mapped.mapping;
    this.problems.set(key, wanted.problem ?? this.#clash(target, source, existing, tenant));
    try {
      const settled = await this.#write({ target, idLabel, source, tenant, wanted }, existing, cause, mapped.notes, signal);
      return { ...settled, isPending: mapped.isPending };
    } catch (error) {
      return this.#fault(target, idLabel, source, error);
    }
  }

  async #map(target: AnyTarget, source: Source, existing: KubeObject | undefined, view: MirrorView, signal: AbortSignal): Promise<Mapped> {
    const { tenant, state, reserved } = view;
    const { clock } = this.#context;
    const context: MapContext = {
      tenant, state, index: this.index, reserved, nowMs: clock.now(),
      mirrorOf: (name, id) => this.#mirrorOf(name, labelOfId(id), tenant), mirroredBy: (name, object) => this.#mirroredBy(name, object, view), isSnapshot: (id) => this.#isSnapshot(id, tenant),
    };
    if (target.name !== 'servers' || tenant.spec.servers?.mode !== 'Manage') return { mapping: target.map(source, context, existing), notes: [], isPending: false };
    const [server, machine] = [source as Server, existing as VirtualMachine | undefined];
    const key = itemKey('servers', labelOfId(server.id));
    const isTried = machine !== undefined && this.#refused.has(key) && this.#refused.get(key) === machine.metadata.generation;
    const { outcome, notes, isPending, isRefused } = isTried ? heldBack(machine) : await operate(view.compute, server, machine, context, signal);
    if (isRefused) {
      this.#refused.set(key, machine?.metadata.generation);
      this.#later.set(key, { target: 'servers', idLabel: labelOfId(server.id) });
    } else this.#refused.delete(key);
    return { mapping: machineOf(server, context, machine, outcome), notes, isPending };
  }

  async #write(item: Item, existing: KubeObject | undefined, cause: Cause, notes: readonly EventNote[], signal: AbortSignal): Promise<Settled> {
    const { events } = this.#context;
    const { target, idLabel, source, tenant } = item;
    if (existing === undefined) {
      const made = await this.#writer.create(item, signal);
      if (made.kind === 'there') return { waitMs: CONFLICT_MS };
      if (made.kind === 'made') return {};
      this.problems.set(itemKey(target.name, idLabel), `${identityOf(target).kind} ${made.names.join(' and ')} are not of this tenant: ${nameOf(target, source)} of the cloud is not shown`);
      this.#later.set(itemKey(target.name, idLabel), { target: target.name, idLabel });
      return {};
    }
    const { object, changed } = await this.#writer.patch(item, existing, signal);
    for (const note of notes) events.record(object, note);
    if (cause === 'there' || changed.length === 0 || isManaged(target, tenant)) return {};
    const what = changed.join(', ');
    events.record(existing, { type: 'Warning', reason: 'PutBack', message: `changed here and put back, since the cloud decides: ${what}` });
    return { putBack: `${identityOf(target).kind} ${existing.metadata.name} (${what})` };
  }

  #fault(target: AnyTarget, idLabel: string, source: Source, error: unknown): Settled {
    if (isConflict(error) || isNotFound(error)) return { waitMs: CONFLICT_MS };
    if (!isRefused(error)) throw error;
    const key = itemKey(target.name, idLabel);
    this.problems.set(key, `${identityOf(target).kind} of ${nameOf(target, source)}: ${messageOf(error)}`);
    this.#later.set(key, { target: target.name, idLabel });
    return {};
  }

  #existing(name: TargetName, idLabel: string, tenant: OpenStackTenant): KubeObject | undefined {
    const found = this.#context.informers[name].byIndex('mirrored', mirroredKey(this.#tenant, idLabel)).filter((object) => isOf(object, tenant));
    // A copy that somebody made of it has its labels too.
    return found.toSorted((a, b) => ageOf(a).localeCompare(ageOf(b)))[0];
  }

  #mirrorOf(name: TargetName, idLabel: string, tenant: OpenStackTenant): ReturnType<MapContext['mirrorOf']> {
    const existing = this.#existing(name, idLabel, tenant);
    if (existing !== undefined) return existing.metadata;
    const made = this.#written.nameOf(itemKey(name, idLabel));
    return made === undefined ? undefined : { name: made };
  }

  #mirroredBy(name: TargetName, object: string, { state, tenant }: MirrorView): string | undefined {
    const target = TARGETS.find((one) => one.name === name);
    const found = this.#context.informers[name].get(keyFor(target?.resource.namespaced === true ? tenant.metadata.namespace : undefined, object));
    if (target === undefined || found === undefined || isDeleting(found) || !isOf(found, tenant)) return undefined;
    const source = sourceFor(state[target.source], idLabelOf(found));
    return source === undefined ? undefined : idOf(source);
  }

  #isSnapshot(imageId: string, { metadata: { namespace } }: OpenStackTenant): boolean {
    return this.#context.informers.images.byIndex('snapshot', snapshotKey(namespace, imageId)).length > 0;
  }

  /** Whoever has the name that it would have had, where that is no other mirrored one. */
  #clash(target: AnyTarget, source: Source, existing: KubeObject | undefined, tenant: OpenStackTenant): string | undefined {
    const base = target.baseName(source, tenant);
    if (existing?.metadata.name === base) return undefined;
    const other = this.#context.informers[target.name].get(keyFor(target.resource.namespaced ? tenant.metadata.namespace : undefined, base));
    if (other === undefined || isOf(other, tenant)) return undefined;
    const { kind } = identityOf(target);
    return `${kind} ${base} is not of this tenant: ${nameOf(target, source)} of the cloud is ${kind} ${withSuffix(base, labelOfId(idOf(source)), target.nameLimit)} here`;
  }
}

/** Undefined also for what is not to be shown. */
function sourceOf({ state, tenant: { spec }, isReleased }: MirrorView, target: AnyTarget, idLabel: string): Source | undefined {
  if (!target.isOn(spec)) return undefined;
  const found = sourceFor(state[target.source], idLabel);
  if (found !== undefined && target.source === 'servers' && isReleased?.(idOf(found)) === true) return undefined;
  return found === undefined || target.isChosen?.(found, spec) === false ? undefined : found;
}

function sourceFor(objects: ReadonlyMap<string, Source>, idLabel: string): Source | undefined {
  return objects.get(idLabel) ?? (idLabel.startsWith('x-') ? [...objects].find(([id]) => labelOfId(id) === idLabel)?.[1] : undefined);
}

/** In mode Manage the power of a machine is written here too. */
function isManaged({ name }: AnyTarget, { spec }: OpenStackTenant): boolean {
  return name === 'servers' && spec.servers?.mode === 'Manage';
}

function nameOf(target: AnyTarget, source: Source): string {
  return target.originalName(source) || idOf(source);
}

function idOf(source: Source): string {
  return 'id' in source ? source.id : source.name;
}

function ageOf(object: KubeObject): string {
  return `${object.metadata.creationTimestamp ?? ''}/${keyOf(object)}`;
}
