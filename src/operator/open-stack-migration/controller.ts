import { isDeepStrictEqual } from 'node:util';
import { FINALIZER_MIGRATION } from '../../api/open-stack-names.ts';
import type { OpenStackMigrationStatus, ServerMigration } from '../../api/open-stack-migration.ts';
import type { Clock } from '../../base/clock.ts';
import { dispositionOf, messageOf } from '../../base/errors.ts';
import { isConflict, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { Reconcile } from '../../kube/controller.ts';
import type { PersistentVolumeClaim, Pod } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { Informer } from '../../kube/informer.ts';
import { isDeleting, keyFor, type ObjectKey } from '../../kube/object.ts';
import { openStackMigrations, type InstanceType, type OpenStackMigration, type VirtualMachine } from '../../kube/yadokari.ts';
import type { MirrorInformers } from '../open-stack-tenant/informers.ts';
import { isAtLeast } from '../open-stack-tenant/last-writes.ts';
import type { Project } from '../open-stack-tenant/project.ts';
import type { AnchorOptions } from '../virtual-machine/anchor.ts';
import { FIELD_MANAGER } from '../virtual-machine/controller.ts';
import { areCleared } from './disks.ts';
import { groundOf } from './ground.ts';
import { BEGUN, BUSY, PHASES } from './phases.ts';
import type { PlanGround } from './plan.ts';
import { migrationStatus } from './status.ts';
import { entered, SOON_MS, type StepContext, type Stepped } from './step.ts';

export interface OpenStackMigrationContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly migrations: Informer<OpenStackMigration>;
  readonly vms: Informer<VirtualMachine>;
  readonly types: Informer<InstanceType>;
  readonly claims: Informer<PersistentVolumeClaim>;
  /** Pods that copy disks. */
  readonly copies: Informer<Pod>;
  readonly mirrored: MirrorInformers;
  /** A tenant's project; undefined while it is not known. */
  readonly projectOf: (tenant: ObjectKey) => Project | undefined;
  readonly anchor: AnchorOptions;
}

const TENANT_MS = 2000;
const FAULT_MS = 10_000;
const PARALLEL = 2;

/** Brings servers of a cloud into this cluster, each through its phases; where each is, is in the status, and is written after each look. */
export class OpenStackMigrationReconciler {
  readonly #context: OpenStackMigrationContext;
  /** As each was after its status was written last: the cache may be behind. */
  readonly #told = new Map<ObjectKey, OpenStackMigration>();

  constructor(context: OpenStackMigrationContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { migrations, client, projectOf } = this.#context;
    const cached = migrations.get(key);
    if (cached === undefined) {
      this.#told.delete(key);
      return undefined;
    }
    const migration = newest(cached, this.#told.get(key));
    await hold(client, migration, signal);
    const project = projectOf(keyFor(migration.metadata.namespace, migration.spec.tenant));
    const before = this.#servers(migration);
    const isLeaving = isDeleting(migration);
    if (isLeaving && before.every((server) => hasLeft(server) && areCleared(server))) {
      await release(client, migration, signal);
      return undefined;
    }
    if (project === undefined) {
      await this.#tell(key, migration, before, `OpenStackTenant ${migration.spec.tenant} is not there, or has not reached its cloud yet`, signal);
      return { requeueAfterMs: TENANT_MS };
    }
    const context = this.#stepContext(migration, project, signal);
    const stepped = await advance(before, context, isLeaving, signal);
    await this.#tell(key, migration, stepped.map(({ server }) => server), undefined, signal);
    if (isLeaving && stepped.every(({ server }) => hasLeft(server) && areCleared(server))) return { requeueAfterMs: 1 };
    const againMs = Math.min(...stepped.map(({ againMs = Infinity }) => againMs));
    return Number.isFinite(againMs) ? { requeueAfterMs: Math.max(1, againMs) } : undefined;
  };

  #servers({ spec, status }: OpenStackMigration): readonly ServerMigration[] {
    const known = new Map(status?.servers?.map((server) => [server.name, server]));
    return spec.servers.names.map((name) => known.get(name) ?? { name, phase: 'Planned', since: timestamp(this.#context.clock.now()) });
  }

  #stepContext(migration: OpenStackMigration, project: Project, signal: AbortSignal): StepContext {
    const { client, clock, events, mirrored, vms, types, claims, copies, anchor: { pauseImage, network } } = this.#context;
    let known: Promise<PlanGround> | undefined;
    const ground = (): Promise<PlanGround> => (known ??= groundOf({ client, migration, tenant: project.tenant, mirrored, types, claims, network }, signal));
    return { ...project, client, clock, migration, ground, mirrored, vms, claims, copies, pauseImage, note: (note) => events.record(migration, note) };
  }

  async #tell(key: ObjectKey, migration: OpenStackMigration, servers: readonly ServerMigration[], fault: string | undefined, signal: AbortSignal): Promise<void> {
    const status: OpenStackMigrationStatus = migrationStatus(migration, servers, fault, this.#context.clock.now());
    if (isDeepStrictEqual(migration.status, status)) return;
    const { name, namespace = 'default' } = migration.metadata;
    this.#told.set(key, await this.#context.client.apply(openStackMigrations, { metadata: { name, namespace }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal }));
  }
}

/** One look at each server that has a turn; a fault of one is its own. */
async function advance(servers: readonly ServerMigration[], context: StepContext, isLeaving: boolean, signal: AbortSignal): Promise<readonly Stepped[]> {
  const { spec } = context.migration;
  let busy = servers.filter(({ phase }) => BUSY.has(phase)).length;
  return Promise.all(servers.map(async (server): Promise<Stepped> => {
    const back = (spec.rollback === true && BEGUN.has(server.phase)) || (isLeaving && BEGUN.has(server.phase) && server.phase !== 'Moved');
    if (back && server.sourceDeleted !== true) return entered(server, 'RollingBack', context.clock);
    if (isLeaving && (server.phase === 'Planned' || server.phase === 'Blocked' || server.phase === 'RolledBack')) return { server };
    if (server.phase === 'Waiting') {
      if (busy >= (spec.parallel ?? PARALLEL)) return { server: { ...server, message: `for its turn, ${spec.parallel ?? PARALLEL} at a time` }, againMs: SOON_MS };
      busy += 1;
    }
    try {
      return await PHASES[server.phase](server, context, signal);
    } catch (error) {
      signal.throwIfAborted();
      return faulty(server, error, context);
    }
  }));
}

function faulty(server: ServerMigration, error: unknown, context: StepContext): Stepped {
  const message = messageOf(error).slice(0, 1024);
  if (isConflict(error) || isNotFound(error)) return { server, againMs: SOON_MS };
  if (server.message !== message) context.note({ type: 'Warning', reason: dispositionOf(error) === 'stalled' ? 'Stalled' : 'Fault', message: `${server.name}, ${server.phase}: ${message}` });
  return { server: { ...server, message }, againMs: FAULT_MS };
}

function hasLeft({ phase }: ServerMigration): boolean {
  return phase === 'Moved' || (!BEGUN.has(phase) && phase !== 'RollingBack');
}

async function hold(client: KubeClient, { metadata: { name, namespace = 'default', uid, finalizers = [], deletionTimestamp } }: OpenStackMigration, signal: AbortSignal): Promise<void> {
  if (deletionTimestamp !== undefined || finalizers.includes(FINALIZER_MIGRATION)) return;
  await client.apply(openStackMigrations, { metadata: { name, namespace, uid, finalizers: [FINALIZER_MIGRATION] } }, { fieldManager: 'yadokari-operator-finalizer', signal });
}

async function release(client: KubeClient, { metadata: { name, namespace = 'default' } }: OpenStackMigration, signal: AbortSignal): Promise<void> {
  const { metadata: { finalizers = [], resourceVersion } } = await client.get(openStackMigrations, { name, namespace }, signal);
  await client.patch(openStackMigrations, { name, namespace }, { metadata: { finalizers: finalizers.filter((one) => one !== FINALIZER_MIGRATION), resourceVersion } }, { signal }).catch((error: unknown) => {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  });
}

function newest(cached: OpenStackMigration, told: OpenStackMigration | undefined): OpenStackMigration {
  if (told === undefined || told.metadata.uid !== cached.metadata.uid || isAtLeast(cached.metadata.resourceVersion, told.metadata.resourceVersion)) return cached;
  return { ...cached, ...(told.status === undefined ? {} : { status: told.status }) };
}
