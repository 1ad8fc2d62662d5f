import { isDeepStrictEqual } from 'node:util';
import type { CompiledGuest } from '../../api/compiled-guest.ts';
import { ANNOTATION_GUEST, FINALIZER, LABEL_VIRTUAL_MACHINE } from '../../api/group.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { isAlreadyExists, isNotFound, isRefused } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Reconcile, Result } from '../../kube/controller.ts';
import { pods, type Node, type PersistentVolumeClaim, type Pod, type PodDisruptionBudget } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { Informer } from '../../kube/informer.ts';
import { isDeleting, keyFor, keyOf, type ObjectKey } from '../../kube/object.ts';
import { virtualMachines, type InstanceType, type VirtualMachine, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { handleOfFloating, handleOfVirtualMachine } from '../../network/handle.ts';
import type { Ipam } from '../../network/port.ts';
import { virtualNodeName } from '../virtual-node/name.ts';
import { anchorName, buildAnchor, isAnchorOf, type AnchorOptions } from './anchor.ts';
import { ensureAttachments } from './attachments.ts';
import { CACHE_LAG_MS, CacheLag } from './cache-lag.ts';
import { rivalFor, usesClaims } from './claim-rivals.ts';
import { ensureEvictionStrategy } from './eviction.ts';
import { compileGuest, UnresolvedError } from './guest-compiler.ts';
import { isSameGuest, withWantedDisks } from './hot-plug.ts';
import { notesOf } from './notes.ts';
import { CLAIMS_MS, ensureOwnClaims } from './own-claims.ts';
import { releaseLostAnchor } from './lost-node.ts';
import { StatusPace } from './status-pace.ts';
import { deriveStatus, type Observed } from './status.ts';
import { judge, type Verdict } from './verdict.ts';

export const FIELD_MANAGER = 'yadokari-operator';

export interface VirtualMachineContext {
  readonly client: KubeClient;
  readonly vms: Informer<VirtualMachine>;
  /** Anchors, indexed `owner` by the uid of their VirtualMachine. */
  readonly anchors: Informer<Pod>;
  readonly images: Informer<VirtualMachineImage>;
  readonly claims: Informer<PersistentVolumeClaim>;
  /** Pods that hold claims for running guests, indexed `anchor` by the uid of the anchor. */
  readonly attachments: Informer<Pod>;
  readonly instanceTypes: Informer<InstanceType>;
  readonly nodes: Informer<Node>;
  /** Budgets of machines that block their eviction. */
  readonly budgets: Informer<PodDisruptionBudget>;
  /** Absent where another network gives the addresses. */
  readonly ipam?: Ipam;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly anchor: AnchorOptions;
}

/** How long a deletion may take before the status says Terminating: shorter ones are not worth a write. */
const QUIET_DELETION_MS = 5000;

/** Turns a VirtualMachine into an anchor, judges ended guests by the runStrategy and says in the status what is true. */
export class VirtualMachineReconciler {
  readonly #context: VirtualMachineContext;
  readonly #pace = new StatusPace();
  /** The anchors made last: the cache shows them a moment later. */
  readonly #made = new Map<ObjectKey, { readonly name: string; readonly at: number }>();
  readonly #lag = new CacheLag();

  constructor(context: VirtualMachineContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key: ObjectKey, signal: AbortSignal): Promise<Result | void> => {
    const { vms, anchors, clock } = this.#context;
    const vm = vms.get(key);
    if (vm === undefined) {
      this.#made.delete(key);
      this.#lag.forget(key);
      return this.#pace.forget(key);
    }
    // Another runs it, and says how it is.
    if (vm.spec.provider !== undefined) return undefined;
    const lagMs = this.#lag.leftMs(vm, clock.now());
    if (lagMs > 0) return { requeueAfterMs: lagMs };
    const owned = anchors.byIndex('owner', vm.metadata.uid ?? '');
    for (const anchor of owned) await releaseLostAnchor(this.#context, anchor, signal);
    const verdict = judge(vm, owned, clock.now());
    if (isDeleting(vm)) return this.#finalize(vm, owned, verdict, signal);
    if (usesClaims(vm) && !this.#context.claims.hasSynced) return { requeueAfterMs: CLAIMS_MS };
    const pending = await ensureOwnClaims(this.#context, vm, signal);
    const compiled = this.#compile(vm);
    const guest = pending ?? compiled;
    await this.#ensureFinalizer(vm, signal);
    await ensureEvictionStrategy(this.#context, vm, signal);
    const outcome = await this.#act(vm, guest, verdict, signal);
    const refusal = outcome instanceof UnresolvedError ? outcome : undefined;
    const created = outcome instanceof UnresolvedError ? undefined : outcome;
    const live = owned.find((anchor) => !isDeleting(anchor));
    const current = created ?? (live === undefined ? undefined : await this.#settleDisks(vm, live, guest, verdict, signal)) ?? owned[0];
    const statusMs = await this.#report(this.#observe(vm, current, refusal ?? guest, verdict), signal);
    if (refusal !== undefined) throw refusal;
    const againMs = verdict.action.kind === 'keep' ? verdict.action.againMs : undefined;
    const nextMs = Math.min(statusMs ?? Infinity, againMs ?? Infinity);
    return Number.isFinite(nextMs) ? { requeueAfterMs: nextMs } : undefined;
  };

  #compile(vm: VirtualMachine): CompiledGuest | UnresolvedError {
    const { images, instanceTypes, claims } = this.#context;
    const { namespace } = vm.metadata;
    try {
      return compileGuest(vm, {
        image: (name) => images.get(keyFor(namespace, name)),
        instanceType: (name) => instanceTypes.get(keyFor(namespace, name)),
        claim: (name) => claims.get(keyFor(namespace, name)),
      });
    } catch (error) {
      if (error instanceof UnresolvedError) return error;
      throw error;
    }
  }

  async #ensureFinalizer(vm: VirtualMachine, signal: AbortSignal): Promise<void> {
    if (vm.metadata.finalizers?.includes(FINALIZER) === true) return;
    const { name, namespace, uid } = vm.metadata;
    const written = await this.#context.client.apply(virtualMachines, { metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, finalizers: [FINALIZER] } }, { fieldManager: `${FIELD_MANAGER}-finalizer`, signal });
    this.#lag.wrote(vm, written, this.#context.clock.now());
  }

  /** Carries out the verdict; returns the anchor if it made one, or why the API server does not want it. */
  async #act(vm: VirtualMachine, guest: CompiledGuest | UnresolvedError, verdict: Verdict, signal: AbortSignal): Promise<Pod | UnresolvedError | undefined> {
    const { action } = verdict;
    switch (action.kind) {
      case 'keep':
        return undefined;
      case 'stop':
        await this.#stop(action.anchors, signal);
        return undefined;
      case 'start':
        return guest instanceof Error ? undefined : this.#start(vm, guest, signal);
    }
  }

  /** Tells the agent of disks that came, went or grew while the guest runs; the anchor as it is then. */
  async #settleDisks(vm: VirtualMachine, anchor: Pod, wanted: CompiledGuest | UnresolvedError, verdict: Verdict, signal: AbortSignal): Promise<Pod> {
    const text = anchor.metadata.annotations?.[ANNOTATION_GUEST];
    if (verdict.action.kind === 'stop' || wanted instanceof Error || text === undefined) return anchor;
    if (!usesClaims(vm) && !text.includes('"claim":')) return anchor;
    const running = JSON.parse(text) as CompiledGuest;
    const guest = rivalFor(this.#context, vm, wanted, this.#context.clock.now()) === undefined ? withWantedDisks(running, wanted, vm.status?.guest) : running;
    await ensureAttachments(this.#context, vm, anchor, guest, signal);
    if (isSameGuest(running, guest)) return anchor;
    const { name, namespace = 'default', uid } = anchor.metadata;
    return this.#context.client.patch(pods, { name, namespace }, { metadata: { uid, annotations: { [ANNOTATION_GUEST]: JSON.stringify(guest) } } }, { signal });
  }

  async #stop(anchors: readonly Pod[], signal: AbortSignal): Promise<void> {
    for (const { metadata: { name, namespace, uid } } of anchors) {
      try {
        await this.#context.client.delete(pods, { name, ...(namespace === undefined ? {} : { namespace }) }, { ...(uid === undefined ? {} : { preconditions: { uid } }), signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  async #start(vm: VirtualMachine, guest: CompiledGuest, signal: AbortSignal): Promise<Pod | UnresolvedError | undefined> {
    const { client, anchor, clock } = this.#context;
    const rival = rivalFor(this.#context, vm, guest, clock.now());
    if (rival !== undefined) return rival;
    const previous = vm.status?.anchor;
    const [name, made] = [anchorName(vm, previous), this.#made.get(keyOf(vm))];
    if (made?.name === name && clock.now() - made.at < CACHE_LAG_MS) return undefined;
    // The cache may be behind: never a second anchor while the last one is still there.
    if (previous !== undefined && await exists(client, vm, previous, signal)) return undefined;
    try {
      const created = await client.create(pods, buildAnchor(vm, guest, name, anchor), { signal });
      this.#made.set(keyOf(vm), { name, at: clock.now() });
      return created;
    } catch (error) {
      if (isAlreadyExists(error)) return undefined;
      // Such as an exhausted quota: said in the status, and tried again with growing delays.
      if (isRefused(error)) return new UnresolvedError('AnchorRefused', messageOf(error));
      throw error;
    }
  }

  #observe(vm: VirtualMachine, anchor: Pod | undefined, guest: CompiledGuest | UnresolvedError, verdict: Verdict): Observed {
    const node = anchor?.spec.nodeName === undefined ? undefined : this.#context.nodes.get(anchor.spec.nodeName);
    const virtualNode = vm.spec.containerHost === undefined ? undefined : this.#context.nodes.get(virtualNodeName(vm));
    return { vm, anchor, node, virtualNode, guest, record: verdict.record, nowMs: this.#context.clock.now() };
  }

  /** Writes the status if it changed; the result says after how many milliseconds, when it is still passing through states. */
  async #report(observed: Observed, signal: AbortSignal): Promise<number | undefined> {
    const { vm } = observed;
    const status = deriveStatus(observed);
    const { guest: _guest, ...before } = vm.status ?? {};
    if (isDeepStrictEqual(before, status)) return undefined;
    const leftMs = this.#pace.left(keyOf(vm), before, status, observed.nowMs);
    if (leftMs > 0) return leftMs;
    const { name, namespace } = vm.metadata;
    const written = await this.#context.client.apply(virtualMachines, { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
    this.#lag.wrote(vm, written, this.#context.clock.now());
    for (const note of notesOf(vm.status, status)) this.#context.events.record(vm, note);
    return undefined;
  }

  /** The guest ends, its address is released, and only then the VirtualMachine may go. */
  async #finalize(vm: VirtualMachine, owned: readonly Pod[], verdict: Verdict, signal: AbortSignal): Promise<Result | void> {
    const { client, ipam, clock } = this.#context;
    const { name, namespace = '', finalizers = [] } = vm.metadata;
    if (!finalizers.includes(FINALIZER)) return;
    if (verdict.action.kind === 'stop') await this.#stop(verdict.action.anchors, signal);
    if (owned.length > 0) {
      const age = clock.now() - Date.parse(vm.metadata.deletionTimestamp ?? '');
      if (age < QUIET_DELETION_MS) return { requeueAfterMs: QUIET_DELETION_MS - age };
      const statusMs = await this.#report(this.#observe(vm, owned[0], this.#compile(vm), verdict), signal);
      return statusMs === undefined ? undefined : { requeueAfterMs: statusMs };
    }
    // The cache may be behind: the address is released only when the API itself knows no anchor.
    const { items } = await client.list(pods, { namespace, labelSelector: `${LABEL_VIRTUAL_MACHINE}=${name}`, signal });
    if (items.some((pod) => isAnchorOf(pod, vm))) return { requeueAfterMs: 200 };
    await ipam?.release(handleOfVirtualMachine(namespace, name), signal);
    await ipam?.release(handleOfFloating(namespace, name), signal);
    try {
      await client.patch(virtualMachines, { name, namespace }, { metadata: { finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER), resourceVersion: vm.metadata.resourceVersion } }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

async function exists(client: KubeClient, vm: VirtualMachine, anchor: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { namespace } = vm.metadata;
    await client.get(pods, { name: anchor, ...(namespace === undefined ? {} : { namespace }) }, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
