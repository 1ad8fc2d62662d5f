import { isDeepStrictEqual } from 'node:util';
import type { ReplicaStatus } from '../../../api/replicated-volume.ts';
import { messageOf } from '../../../base/errors.ts';
import { CommandError } from '../../../base/process.ts';
import type { Reconcile, Result } from '../../../kube/controller.ts';
import type { Informer } from '../../../kube/informer.ts';
import { isDeleting } from '../../../kube/object.ts';
import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { conditionsOf } from './conditions.ts';
import { ensureDecision, ensureFence, ensureOutdated, readmitOthers } from './fence-steps.ts';
import { finalizerOf, isId, resourceOf } from './ids.ts';
import { isConnected, type KernelState } from './kernel-state.ts';
import { LoneTimes } from './lone-times.ts';
import type { NodeNumbers } from './numbers.ts';
import type { Replica, ReplicaContext, ReplicaSpec, ReplicaStep } from './replica.ts';
import { ensureBacking, ensureConfigured, ensureSize, skipFirstSync } from './replica-steps.ts';
import { removeReplica } from './replica-removal.ts';
import { ensureVerified } from './verify-step.ts';

export interface ReconcilerOptions {
  readonly context: ReplicaContext;
  readonly volumes: Informer<ReplicatedVolume>;
  readonly numbers: NodeNumbers;
  readonly loneTimes: LoneTimes;
}

/** Safety first: what keeps a second writer out comes before what is only convenient. */
const STEPS: readonly ReplicaStep[] = [ensureFence, ensureOutdated, ensureBacking, ensureConfigured, skipFirstSync, ensureDecision, readmitOthers, ensureSize, ensureVerified];
/** The kernel tells of what changes; this is for what was missed. */
const LOOK_MS = 5000;
const SOON_MS = 500;

/** Keeps this node's replica of each volume as the API has it, and says how it is. */
export class ReplicaReconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  readonly reconcile: Reconcile = (id, signal) => this.#options.context.turns.run(id, () => this.#reconcile(id, signal));

  async #reconcile(id: string, signal: AbortSignal): Promise<Result | void> {
    const { context, volumes, numbers } = this.#options;
    const volume = volumes.get(id);
    if (volume === undefined || volume.spec.backend !== context.objects.backend || !isId(id)) return;
    const mine = volume.spec.replicas.find(({ node }) => node === context.node);
    const finalizer = finalizerOf(context.node);
    const has = volume.metadata.finalizers?.includes(finalizer) === true;
    if (mine === undefined || isDeleting(volume)) {
      if (!has) return;
      await removeReplica({ volume, minor: numbers.of(volume)?.minor, finalizer }, context);
      numbers.release(id);
      return;
    }
    if (!has) await join(volume, mine, context, signal);
    return this.#keep(volume, mine, signal);
  }

  async #keep(volume: ReplicatedVolume, mine: ReplicaSpec, signal: AbortSignal): Promise<Result> {
    const { context, volumes, numbers, loneTimes } = this.#options;
    const { minor, port } = numbers.of(volume) ?? await numbers.take(volume, volumes.list());
    const id = volume.metadata.name;
    const before = volume.status?.replicas?.find(({ node }) => node === context.node);
    const state = await context.kernel.state(minor);
    const replica: Replica = {
      id, resource: resourceOf(id), volume, mine, minor, port, state, aloneMs: loneTimes.see(id, state),
      others: volume.spec.replicas.filter(({ node, diskless }) => node !== context.node && diskless !== true),
      said: { node: context.node, hostname: context.hostname, address: await context.address(), port, minor, ...kept(before) },
    };
    const fault = await this.#steps(replica, signal);
    replica.state = await context.kernel.state(minor);
    if (fault !== undefined) replica.said.message = fault instanceof CommandError ? fault.message : messageOf(fault);
    const said: ReplicaStatus = { ...replica.said, ...seen(replica.state) };
    if (!isDeepStrictEqual(said, before)) await context.objects.report(id, said);
    const status = { ...volume.status, replicas: [...(volume.status?.replicas ?? []).filter(({ node }) => node !== context.node), said] };
    await context.objects.conclude(volume, conditionsOf(id, volume.spec, status), context.clock.now());
    if (fault !== undefined) throw fault;
    const settled = replica.state !== undefined && replica.state.disk === 'UpToDate' && isConnected(replica.state) && !replica.state.suspended;
    return { requeueAfterMs: settled ? LOOK_MS : SOON_MS };
  }

  async #steps(replica: Replica, signal: AbortSignal): Promise<unknown> {
    try {
      for (const step of STEPS) if (await step(replica, this.#options.context, signal) === 'wait') return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error;
    }
    return undefined;
  }
}

/** A node that was added to a volume lacks all that is in it. */
async function join({ metadata, status }: ReplicatedVolume, { node }: ReplicaSpec, { objects }: ReplicaContext, signal: AbortSignal): Promise<void> {
  const late = status?.replicas?.some((replica) => replica.deviceBytes !== undefined) === true;
  await objects.change(metadata.name, (volume) => {
    const { finalizers = [] } = volume.metadata;
    const { fence } = volume.spec;
    const outdated = late ? [...new Set([...fence.outdated, node])] : fence.outdated;
    return { ...volume, metadata: { ...volume.metadata, finalizers: [...new Set([...finalizers, finalizerOf(node)])] }, spec: { ...volume.spec, fence: { ...fence, outdated, epoch: fence.epoch + 1 } } };
  }, signal);
}

/** What stays true until a step says otherwise. */
function kept(before: ReplicaStatus | undefined): Partial<ReplicaStatus> {
  const { made, backingBytes, deviceBytes, verified } = before ?? {};
  return Object.fromEntries(Object.entries({ made, backingBytes, deviceBytes, verified }).filter(([, value]) => value !== undefined));
}

function seen(state: KernelState | undefined): Partial<ReplicaStatus> {
  if (state === undefined) return {};
  const { connection, role, disk, peerDisk, suspended, syncedPercent, outOfSyncBytes } = state;
  return {
    connection, role, disk, peerDisk, ...(suspended ? { suspended } : {}), ...(outOfSyncBytes === 0 ? {} : { outOfSyncBytes }),
    // Whole tens: each change is written.
    ...(syncedPercent === undefined ? {} : { syncedPercent: Math.floor(syncedPercent / 10) * 10 }),
  };
}
