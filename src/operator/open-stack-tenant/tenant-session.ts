import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { dispositionOf } from '../../base/errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { secrets, type Secret } from '../../kube/core.ts';
import { Informer } from '../../kube/informer.ts';
import { keyOf, type ObjectKey } from '../../kube/object.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { hasCode } from '../../openstack/errors.ts';
import { Inventory } from '../../openstack/inventory.ts';
import { EMPTY_STATE, type InventoryKind, type InventoryState } from '../../openstack/inventory/state.ts';
import type { Cloud, Identity } from '../../openstack/port.ts';
import { readSecret, settingsOf, type ConnectCloud } from './cloud-access.ts';
import { markDifference, sizeOf } from './dirty-keys.ts';
import { Mirror, type MirrorContext } from './mirror.ts';
import { quotaOf, type QuotaLines } from './quota.ts';
import { RouterRoutes } from './router-routes.ts';
import { Snapshots } from './snapshots.ts';

export interface SessionContext extends MirrorContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly connect: ConnectCloud;
  /** Has the tenant looked at again. */
  readonly enqueue: (tenant: ObjectKey) => void;
}

export interface LastSync {
  readonly atMs: number;
  readonly requests: number;
  readonly seconds: number;
  readonly changes: number;
}

interface Open {
  readonly cloud: Cloud;
  readonly inventory: Inventory;
  readonly identity: Identity;
  /** Whatever is different then is another cloud. */
  readonly from: string;
}

const QUOTA_MS = 300_000;
/** While a server is on its way to what it was asked for. */
const PENDING_MS = 3000;
const RETRY = { baseMs: 2000, jitter: 0.2 };
/** A wrong password that is tried again and again locks the account of some. */
const STALLED_MS = 60_000;

/** What is kept of one tenant between reconciles: the cloud, what it has, and what of that is still to be mirrored. */
export class TenantSession implements AsyncDisposable {
  readonly mirror: Mirror;
  readonly snapshots: Snapshots;
  readonly routes: RouterRoutes;
  readonly #context: SessionContext;
  readonly #key: ObjectKey;
  #open: Open | undefined;
  #watch: Informer<Secret> | undefined;
  #watched: string | undefined;
  #generation: number | undefined;
  #nextMs = 0;
  #failures = 0;
  #quota: { readonly lines: QuotaLines; readonly atMs: number } | undefined;
  missing: readonly InventoryKind[] = [];
  last: LastSync | undefined;
  /** Why the last sync failed. */
  fault: unknown;

  constructor(context: SessionContext, tenant: OpenStackTenant) {
    this.#context = context;
    this.#key = keyOf(tenant);
    this.mirror = new Mirror(context, this.#key);
    this.snapshots = new Snapshots(context);
    this.routes = new RouterRoutes(context.clock);
  }

  get identity(): Identity | undefined {
    return this.#open?.identity;
  }

  get cloud(): Cloud | undefined {
    return this.#open?.cloud;
  }

  /** As of the last sync that succeeded. */
  get state(): InventoryState {
    return this.#open?.inventory.state ?? EMPTY_STATE;
  }

  /** Whether anything is known of the cloud, so that something can be mirrored. */
  get hasState(): boolean {
    return this.last !== undefined && this.#open !== undefined;
  }

  get quota(): QuotaLines | undefined {
    return this.#quota?.lines;
  }

  leftMs(): number {
    return Math.max(this.#nextMs - this.#context.clock.now(), 0);
  }

  /** Takes up what was changed of the tenant itself. */
  follow(tenant: OpenStackTenant): void {
    this.#watchSecret(tenant);
    if (this.#generation === tenant.metadata.generation) return;
    if (this.#generation !== undefined) {
      this.#nextMs = 0;
      this.mirror.markAll(this.state);
    }
    this.#generation = tenant.metadata.generation;
  }

  /** Has the next sync come soon, since a server is on its way. */
  hurry(): void {
    this.#nextMs = Math.min(this.#nextMs, this.#context.clock.now() + PENDING_MS);
  }

  /** Asks the cloud what has changed, and marks what is to be looked at. Never rejects but for its signal. */
  async sync(tenant: OpenStackTenant, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const periodMs = (tenant.spec.syncPeriodSeconds ?? 30) * 1000;
    try {
      await this.#sync(tenant, signal);
      this.fault = undefined;
      this.#failures = 0;
      this.#nextMs = clock.now() + periodMs;
    } catch (error) {
      signal.throwIfAborted();
      this.fault = error;
      this.#failures += 1;
      const retryAfterMs = hasCode(error, 'TooManyRequests', 'ServiceFailed') ? error.retryAfterMs ?? 0 : 0;
      const waitMs = dispositionOf(error) === 'stalled' ? Math.max(periodMs, STALLED_MS) : backoffMs(this.#failures, { ...RETRY, capMs: Math.max(periodMs, RETRY.baseMs) });
      this.#nextMs = clock.now() + Math.max(waitMs, retryAfterMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#watch?.[Symbol.asyncDispose](), this.#close()]);
  }

  async #sync(tenant: OpenStackTenant, signal: AbortSignal): Promise<void> {
    const { clock, client, connect } = this.#context;
    const startMs = clock.now();
    const secret = await readSecret(client, tenant, signal);
    const from = JSON.stringify([secret.metadata.uid, secret.metadata.resourceVersion, tenant.spec.cloud]);
    if (this.#open?.from !== from) {
      await this.#close();
      const cloud = await connect(settingsOf(secret, tenant), signal);
      try {
        this.#open = { cloud, from, inventory: new Inventory(cloud, { clock }), identity: await cloud.identity.whoAmI(signal) };
      } catch (error) {
        await cloud[Symbol.asyncDispose]();
        throw error;
      }
      this.#quota = undefined;
      this.last = undefined;
    }
    const { cloud, inventory } = this.#open;
    const before = cloud.requests.total;
    const { state, difference, missing } = await inventory.sync(signal);
    await this.#refreshQuota(cloud, tenant, signal);
    const requests = cloud.requests.total - before;
    const changes = sizeOf(difference);
    this.missing = missing;
    if (this.last === undefined) this.mirror.markAll(state);
    else markDifference(this.mirror.dirty, difference, state, this.mirror.index);
    this.mirror.markLater();
    this.last = { atMs: clock.now(), requests, seconds: Math.round(clock.now() - startMs) / 1000, changes };
  }

  async #refreshQuota(cloud: Cloud, { spec }: OpenStackTenant, signal: AbortSignal): Promise<void> {
    const nowMs = this.#context.clock.now();
    if (spec.quotas?.mode === 'Ignore') this.#quota = undefined;
    else if (this.#quota === undefined || nowMs - this.#quota.atMs >= QUOTA_MS) this.#quota = { lines: await quotaOf(cloud, signal), atMs: nowMs };
  }

  /** A change of the Secret is another cloud, or the same one with another password: no reason to wait. */
  #watchSecret({ metadata: { namespace = 'default' }, spec: { cloud } }: OpenStackTenant): void {
    const { client, enqueue } = this.#context;
    if (this.#watched === cloud.secret) return;
    void this.#watch?.[Symbol.asyncDispose]();
    this.#watched = cloud.secret;
    this.#watch = new Informer(client, secrets, { namespace, fieldSelector: `metadata.name=${cloud.secret}` });
    this.#watch.onChange(() => {
      this.#nextMs = 0;
      enqueue(this.#key);
    });
    this.#watch.start();
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.cloud[Symbol.asyncDispose]();
  }
}
