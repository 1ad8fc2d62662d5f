import { isDeepStrictEqual } from 'node:util';
import { LABEL_KEPT } from '../../api/open-stack-names.ts';
import type { OpenStackTenantStatus } from '../../api/open-stack-tenant.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { isConflict, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Reconcile, Result } from '../../kube/controller.ts';
import { serviceCidrs, type Node } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { Change, Informer } from '../../kube/informer.ts';
import { isDeleting, keyFor, keyOf, type KubeObject, type ObjectKey } from '../../kube/object.ts';
import { openStackTenants, type OpenStackTenant, type VirtualMachineImage } from '../../kube/yadokari.ts';
import type { IPPool } from '../../network/calico/kinds.ts';
import { FIELD_MANAGER } from '../virtual-machine/controller.ts';
import { readSecret, settingsOf, type ConnectCloud } from './cloud-access.ts';
import { idLabelOf, isAsking, tenantKeysOf, type MirrorInformers } from './informers.ts';
import { labelOfId } from './names.ts';
import type { Project } from './project.ts';
import { movedFromOf, type ReleasedServers } from './released.ts';
import { holdTenant, letGoOfObjects, releaseTenant } from './removal.ts';
import { takeBackRoutes, type RouteRound } from './router-routes.ts';
import { PUT_BACK_MS, removingStatus, tenantStatus, type PutBack } from './status.ts';
import type { ReservedRange, TargetName } from './target.ts';
import { TenantSession } from './tenant-session.ts';
import { isAtLeast } from './last-writes.ts';

export interface OpenStackTenantContext {
  readonly client: KubeClient;
  readonly tenants: Informer<OpenStackTenant>;
  readonly informers: MirrorInformers;
  readonly nodes: Informer<Node>;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly connect: ConnectCloud;
  readonly released: ReleasedServers;
  /** Has a tenant looked at again. */
  readonly enqueue: (tenant: ObjectKey) => void;
}

interface Entry {
  readonly uid: string | undefined;
  readonly session: TenantSession;
  putBack?: PutBack;
  /** As it was after its status was written last. */
  told?: OpenStackTenant;
}

const REMOVAL_MS = 500;
const QUIET_REMOVAL_MS = 5000;
/** How long caches may take at first; those of kinds that the cluster lacks are never filled. */
const CACHES_MS = 5000;
const RANGES_MS = 300_000;
/** A cloud that does not let go of a tenant's routes is asked again. */
const ROUTES_MS = 5000;

/** Mirrors a project of an OpenStack cloud into objects of a namespace, and keeps them as the cloud has it. */
export class OpenStackTenantReconciler {
  readonly #context: OpenStackTenantContext;
  readonly #sessions = new Map<ObjectKey, Entry>();
  #caches: Promise<unknown> | undefined;
  #serviceRanges: { readonly ranges: readonly ReservedRange[]; readonly atMs: number } | undefined;

  constructor(context: OpenStackTenantContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { client, tenants } = this.#context;
    const tenant = tenants.get(key);
    const unfinished = tenant === undefined ? [] : this.#context.released.unfinished(key);
    if (tenant !== undefined && isDeleting(tenant) && unfinished.length > 0) return this.#wait(tenant, unfinished, signal);
    if (tenant === undefined || isDeleting(tenant)) {
      await this.#forget(key);
      return tenant === undefined ? undefined : this.#remove(tenant, signal);
    }
    await this.#waitForCaches(signal);
    await holdTenant(client, tenant, signal);
    const entry = await this.#entryOf(tenant);
    const { session } = entry;
    session.follow(tenant);
    if (session.leftMs() === 0) await session.sync(tenant, signal);
    return this.#mirror(tenant, entry, signal);
  };

  /** Told of each change of what mirrors something, and of IPPools of others. */
  readonly noticed = (target: TargetName, { type, object }: Change<KubeObject>): void => {
    const [tenant] = tenantKeysOf(object);
    if (isAsking(object)) return this.#markSnapshot(object);
    if (tenant === undefined) {
      if (target === 'servers' && type !== 'modified') this.markServers(object.metadata.namespace, movedFromOf(object));
      if (target === 'subnets') for (const [key, { session }] of this.#sessions) this.#markSubnets(key, session);
      return;
    }
    const idLabel = idLabelOf(object);
    const known = this.#sessions.get(tenant);
    if (known === undefined || idLabel === '' || (type === 'added' && !known.session.hasState)) return;
    known.session.mirror.dirty.mark(target, idLabel, 'here');
    if (target !== 'claims') return;
    // The name of the one is in the others.
    known.session.mirror.dirty.mark('volumes', idLabel, 'there');
    const { state, mirror } = known.session;
    if (type !== 'modified') for (const { serverId } of state.volumes.get(idLabel)?.attachments ?? []) mirror.dirty.mark('servers', labelOfId(serverId), 'there');
  };

  /** Has servers looked at again, of whatever tenant of a namespace they are. */
  markServers(namespace: string | undefined, ids: readonly string[]): void {
    if (ids.length === 0) return;
    for (const [key, { session }] of this.#sessions) {
      if (!key.startsWith(`${namespace ?? 'default'}/`)) continue;
      for (const id of ids) session.mirror.dirty.mark('servers', labelOfId(id), 'there');
      this.#context.enqueue(key);
    }
  }

  /** What is known of a tenant's project; undefined before its first sync. */
  projectOf(key: ObjectKey): Project | undefined {
    const { session } = this.#sessions.get(key) ?? {};
    const tenant = this.#context.tenants.get(key);
    if (tenant === undefined || session?.cloud === undefined || !session.hasState) return undefined;
    return { tenant, cloud: session.cloud, state: session.state, index: session.mirror.index };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((key) => this.#forget(key)));
  }

  async #mirror(tenant: OpenStackTenant, entry: Entry, signal: AbortSignal): Promise<Result> {
    const { clock, informers, released } = this.#context;
    const { session } = entry;
    const { cloud } = session;
    let left = 0;
    let againMs = Infinity;
    let fault: unknown;
    let routes: RouteRound | undefined;
    const known = newest(tenant, entry.told);
    if (cloud !== undefined && session.hasState) {
      try {
        const round = await session.mirror.work({ tenant, state: session.state, compute: cloud.compute, reserved: await this.#reserved(signal), isReleased: (id) => released.has(tenant.metadata.namespace, id) }, signal);
        left = round.left;
        againMs = round.againMs ?? Infinity;
        const isSaving = await session.snapshots.work({ tenant, state: session.state, cloud, syncedAtMs: session.last?.atMs ?? 0 }, signal);
        routes = await session.routes.work({ spec: tenant.spec, recorded: known.status?.routes ?? [], state: session.state, networks: this.#networks(), service: cloud.network }, signal);
        if (routes.isAnnounced) againMs = 1;
        if (round.isPending || isSaving) session.hurry();
        if (round.putBack.length > 0) entry.putBack = { what: round.putBack, atMs: clock.now() };
      } catch (error) {
        signal.throwIfAborted();
        fault = error;
        left = 1;
      }
    }
    const nowMs = clock.now();
    const status = tenantStatus({ tenant: known, session, informers, left, putBack: entry.putBack, routes, nowMs });
    if (!isDeepStrictEqual(known.status, status)) entry.told = await this.#tell(tenant, status, signal);
    if (fault !== undefined) throw fault;
    const putBackMs = entry.putBack === undefined || nowMs - entry.putBack.atMs >= PUT_BACK_MS ? Infinity : entry.putBack.atMs + PUT_BACK_MS - nowMs;
    return { requeueAfterMs: Math.max(1, Math.min(session.leftMs(), againMs, putBackMs)) };
  }

  async #remove(tenant: OpenStackTenant, signal: AbortSignal): Promise<Result | undefined> {
    const { client } = this.#context;
    const left = await letGoOfObjects(client, tenant, signal);
    if (left.length === 0) {
      const fault = await this.#takeBackRoutes(tenant, signal);
      if (fault !== undefined) return { ...await this.#wait(tenant, [`static routes in the cloud (${messageOf(fault)}; with onDelete: Keep they stay)`], signal), requeueAfterMs: ROUTES_MS };
      await releaseTenant(client, tenant, signal).catch((error: unknown) => {
        if (!isConflict(error)) throw error;
      });
      return undefined;
    }
    return this.#wait(tenant, left, signal);
  }

  /** What keeps them where they are, if anything does. */
  async #takeBackRoutes(tenant: OpenStackTenant, signal: AbortSignal): Promise<unknown> {
    const { client, connect } = this.#context;
    const { routes = [] } = tenant.status ?? {};
    if (routes.length === 0 || tenant.spec.onDelete === 'Keep') return undefined;
    try {
      await using cloud = await connect(settingsOf(await readSecret(client, tenant, signal), tenant), signal);
      await takeBackRoutes(routes, cloud.network, signal);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error;
    }
  }

  /** Such as for a claim that a pod uses; what goes at once is not worth a write. */
  async #wait(tenant: OpenStackTenant, left: readonly string[], signal: AbortSignal): Promise<Result> {
    const { clock } = this.#context;
    const ageMs = clock.now() - Date.parse(tenant.metadata.deletionTimestamp ?? '');
    const status = removingStatus(tenant, left, clock.now());
    if (ageMs >= QUIET_REMOVAL_MS && !isDeepStrictEqual(tenant.status, status)) await this.#tell(tenant, status, signal);
    return { requeueAfterMs: REMOVAL_MS };
  }

  #tell({ metadata: { name, namespace = 'default' } }: OpenStackTenant, status: OpenStackTenantStatus, signal: AbortSignal): Promise<OpenStackTenant> {
    return this.#context.client.apply(openStackTenants, { metadata: { name, namespace }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
  }

  async #entryOf(tenant: OpenStackTenant): Promise<Entry> {
    const key = keyOf(tenant);
    const known = this.#sessions.get(key);
    if (known !== undefined && known.uid === tenant.metadata.uid) return known;
    await this.#forget(key);
    const entry: Entry = { uid: tenant.metadata.uid, session: new TenantSession(this.#context, tenant) };
    this.#sessions.set(key, entry);
    return entry;
  }

  async #forget(key: ObjectKey): Promise<void> {
    const known = this.#sessions.get(key);
    this.#sessions.delete(key);
    await known?.session[Symbol.asyncDispose]();
  }

  #waitForCaches(signal: AbortSignal): Promise<unknown> {
    const { informers, clock } = this.#context;
    this.#caches ??= Promise.race([
      Promise.all(Object.values(informers).map((informer) => informer.waitForSync())),
      new Promise<void>((resolve) => void clock.after(CACHES_MS, resolve)),
    ]).catch(() => {});
    signal.throwIfAborted();
    return this.#caches;
  }

  /** Address ranges that are the cluster's own. */
  async #reserved(signal: AbortSignal): Promise<readonly ReservedRange[]> {
    const pools = this.#ownPools();
    const ofNodes = this.#context.nodes.list().flatMap(({ metadata, spec }) => (spec?.podCIDR === undefined ? [] : [{ what: `pods of node ${metadata.name}`, cidr: spec.podCIDR }]));
    const keptOf = ({ metadata: { labels } }: IPPool): { readonly subnet?: string } => (labels?.[LABEL_KEPT] === undefined ? {} : { subnet: labels[LABEL_KEPT] });
    return [...pools.map((pool) => ({ what: `IPPool ${pool.metadata.name}`, cidr: pool.spec.cidr, ...keptOf(pool) })), ...await this.#ofServices(signal), ...ofNodes];
  }

  #ownPools(): readonly IPPool[] {
    return (this.#context.informers.subnets.list() as readonly IPPool[]).filter((pool) => pool.spec.disabled !== true && tenantKeysOf(pool).length === 0);
  }

  /** Where pods and machines here have their addresses, but for those that machines have brought along, and for floating ones. */
  #networks(): readonly string[] {
    return this.#ownPools().filter(({ metadata: { labels }, spec }) => labels?.[LABEL_KEPT] === undefined && spec.assignmentMode !== 'Manual' && !spec.cidr.includes(':')).map(({ spec }) => spec.cidr).sort();
  }

  async #ofServices(signal: AbortSignal): Promise<readonly ReservedRange[]> {
    const { client, clock } = this.#context;
    if (this.#serviceRanges !== undefined && clock.now() - this.#serviceRanges.atMs < RANGES_MS) return this.#serviceRanges.ranges;
    // Before Kubernetes 1.33 nothing in the API tells.
    const { items } = await client.listAll(serviceCidrs, { signal }).catch((error: unknown) => (isNotFound(error) ? { items: [] } : Promise.reject(error)));
    const ranges = items.flatMap(({ spec }) => spec.cidrs.map((cidr) => ({ what: 'the addresses of Services', cidr })));
    this.#serviceRanges = { ranges, atMs: clock.now() };
    return ranges;
  }

  /** The mirror shows an image as one of the cloud's as long as no object does that asked for it. */
  #markSnapshot({ metadata: { namespace }, status }: VirtualMachineImage): void {
    const { tenant, image } = status?.snapshot ?? {};
    const known = tenant === undefined ? undefined : this.#sessions.get(keyFor(namespace, tenant));
    if (image !== undefined) known?.session.mirror.dirty.mark('images', labelOfId(image), 'there');
  }

  #markSubnets(key: ObjectKey, session: TenantSession): void {
    for (const id of session.state.subnets.keys()) session.mirror.dirty.mark('subnets', id, 'there');
    this.#context.enqueue(key);
  }
}

/** The cache may be behind, and what was told is not to be told again. */
function newest(cached: OpenStackTenant, { metadata, status }: Partial<OpenStackTenant> = {}): OpenStackTenant {
  return metadata === undefined || isAtLeast(cached.metadata.resourceVersion, metadata.resourceVersion) ? cached : { ...cached, ...(status === undefined ? {} : { status }) };
}
