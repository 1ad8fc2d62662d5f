import type { CompiledGuest } from '../../api/compiled-guest.ts';
import { ANNOTATION_GUEST, CONDITION_GUEST } from '../../api/group.ts';
import type { GuestStatus } from '../../api/guest-status.ts';
import type { PrintableStatus, VirtualMachineStatus } from '../../api/virtual-machine-status.ts';
import { formatBytes } from '../../base/quantity.ts';
import { conditionOf, isTrue, mergeConditions, timestamp, type ConditionDraft } from '../../kube/conditions.ts';
import type { Node, Pod } from '../../kube/core.ts';
import { isDeleting } from '../../kube/object.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { hasPersistentDisk, type UnresolvedError } from './guest-compiler.ts';
import { isSameGuest } from './hot-plug.ts';
import { vcpus } from './anchor.ts';
import type { RunRecord } from './verdict.ts';

/** All that a status is derived from. */
export interface Observed {
  readonly vm: VirtualMachine;
  /** The anchor of the present run, if any; one that is being deleted counts as long as there is no other. */
  readonly anchor: Pod | undefined;
  /** The anchor's node, if the anchor is bound and the node exists. */
  readonly node: Node | undefined;
  /** The Node that the machine itself is, if it is one. */
  readonly virtualNode?: Node | undefined;
  readonly guest: CompiledGuest | UnresolvedError;
  readonly record: RunRecord;
  readonly nowMs: number;
}

type OperatorStatus = Omit<VirtualMachineStatus, 'guest'>;

/** The operator's part of the status: what is true now and why. Pure. */
export function deriveStatus(observed: Observed): OperatorStatus {
  const { vm, anchor, guest, record, nowMs } = observed;
  const seen = guestOf(observed);
  const drafts = conditionsOf(observed, seen);
  const compiled = guest instanceof Error ? undefined : guest;
  const home = homeOf(vm, anchor, compiled);
  const ready = drafts.some((draft) => draft.type === 'Ready' && draft.status === 'True');
  const address = seen?.address ?? vm.status?.guest?.address ?? vm.status?.address;
  return {
    printableStatus: printableOf(observed, seen),
    ready,
    ...(anchor?.spec.nodeName === undefined ? {} : { node: anchor.spec.nodeName }),
    ...(anchor === undefined ? (vm.status?.anchor === undefined ? {} : { anchor: vm.status.anchor }) : { anchor: anchor.metadata.name }),
    ...(address === undefined ? {} : { address }),
    ...(compiled === undefined ? {} : { cpu: vcpus(compiled), memory: formatBytes(compiled.memoryMiB * 2 ** 20) }),
    ...(vm.metadata.generation === undefined ? {} : { observedGeneration: vm.metadata.generation }),
    ...record,
    ...(home === undefined ? {} : { home }),
    phases: phasesOf(vm, anchor, seen, ready, nowMs),
    conditions: [...mergeConditions(vm.status?.conditions, drafts, nowMs)],
  };
}

/** The agent's report, if it is about the present anchor. */
function guestOf({ vm, anchor }: Observed): GuestStatus | undefined {
  const guest = vm.status?.guest;
  return guest !== undefined && guest.anchor === anchor?.metadata.name ? guest : undefined;
}

const IMAGE_REASONS = new Set(['ImageNotFound', 'ImageNotImportable', 'FileNotFound', 'FileForbidden', 'ImageChecksumMismatch', 'ImageInvalid', 'ImageUnreachable', 'ImageFormatWrong']);
const ADDRESS_REASONS = new Set(['AddressInUse', 'AddressOutsidePools', 'PoolExhausted']);
const MISSING_REASONS = new Set(['InstanceTypeNotFound', 'SecretNotFound']);

function printableOf(observed: Observed, seen: GuestStatus | undefined): PrintableStatus {
  const { vm, anchor, guest, record, node } = observed;
  if (isDeleting(vm)) return 'Terminating';
  if (anchor === undefined) return withoutAnchor(guest, record, observed.nowMs);
  if (isDeleting(anchor)) return node !== undefined && !isNodeReady(node) ? 'Unknown' : 'Stopping';
  if (conditionOf(anchor.status?.conditions, 'PodScheduled')?.reason === 'Unschedulable') return 'ErrorUnschedulable';
  if (node !== undefined && !isNodeReady(node)) return 'Unknown';
  switch (seen?.phase) {
    case undefined:
      return 'Starting';
    case 'Preparing':
      return errorOf(seen.reason) ?? (seen.reason === 'ImageImporting' ? 'Provisioning' : 'Starting');
    case 'Starting':
      return errorOf(seen.reason) ?? 'Starting';
    case 'Running':
    case 'Paused':
    case 'Stopping':
      return seen.phase;
    case 'Stopped':
      return 'Stopping';
    case 'Failed':
      return 'ErrorGuest';
  }
}

function withoutAnchor(guest: CompiledGuest | UnresolvedError, record: RunRecord, nowMs: number): PrintableStatus {
  if (guest instanceof Error && (guest.code === 'ImageImporting' || guest.code === 'ClaimPending')) return 'Provisioning';
  if (guest instanceof Error) return guest.code === 'AnchorRefused' || guest.code === 'ClaimInUse' ? 'ErrorUnschedulable' : errorOf(guest.code) ?? 'ErrorGuest';
  if (record.nextStart !== undefined && Date.parse(record.nextStart) > nowMs) return 'CrashLoopBackOff';
  return 'Stopped';
}

function errorOf(reason: string | undefined): PrintableStatus | undefined {
  if (reason === undefined) return undefined;
  if (reason === 'ClaimNotFound') return 'ErrorPvcNotFound';
  if (IMAGE_REASONS.has(reason)) return 'ErrImagePull';
  if (ADDRESS_REASONS.has(reason)) return 'ErrorAddress';
  if (MISSING_REASONS.has(reason)) return 'ErrorNotFound';
  return ['ImageImporting', 'VolumePending', 'Preparing', 'Starting'].includes(reason) ? undefined : 'ErrorGuest';
}

function isNodeReady(node: Node): boolean {
  return isTrue(node.status?.conditions, 'Ready');
}

function conditionsOf(observed: Observed, seen: GuestStatus | undefined): readonly ConditionDraft[] {
  const drafts = [readyOf(observed, seen), scheduledOf(observed)];
  if (seen?.agentConnected === true) drafts.push({ type: 'AgentConnected', status: 'True', reason: 'AgentConnected', message: 'the guest agent answers' });
  if (seen?.phase === 'Paused') drafts.push({ type: 'Paused', status: 'True', reason: 'PausedByUser', message: 'the guest is paused' });
  const host = containerHostOf(observed);
  if (host !== undefined) drafts.push(host);
  if (restartRequired(observed)) {
    drafts.push({ type: 'RestartRequired', status: 'True', reason: 'SpecChanged', message: `the running guest differs from the spec; yado restart ${observed.vm.metadata.name} applies it` });
  }
  return drafts;
}

function readyOf(observed: Observed, seen: GuestStatus | undefined): ConditionDraft {
  const { vm, anchor, guest, record, node } = observed;
  const no = (reason: string, message: string): ConditionDraft => ({ type: 'Ready', status: 'False', reason, message });
  if (guest instanceof Error && anchor === undefined) return no(guest.code, guest.message);
  if (anchor === undefined) return notRunning(vm, record, no);
  if (isDeleting(anchor)) return no('Stopping', 'the guest is being stopped');
  const scheduled = conditionOf(anchor.status?.conditions, 'PodScheduled');
  if (scheduled?.status === 'False') return no(scheduled.reason ?? 'Unschedulable', scheduled.message ?? 'no node fits');
  if (node !== undefined && !isNodeReady(node)) return no('NodeNotReady', `node ${node.metadata.name} does not answer; the guest may still run there`);
  if (seen === undefined) return no('Starting', anchor.spec.nodeName === undefined ? 'waiting for a node' : `waiting for the agent of node ${anchor.spec.nodeName}`);
  if (seen.phase !== 'Running') return no(seen.reason ?? seen.phase, seen.message ?? `the guest is ${seen.phase.toLowerCase()}`);
  if (isTrue(anchor.status?.conditions, 'Ready')) return { type: 'Ready', status: 'True', reason: 'GuestReady', message: 'the guest runs and is ready' };
  return no('GuestNotReady', isProbeWaitedFor(vm, anchor)
    ? 'the guest runs; its readiness probe does not succeed yet'
    : 'the guest runs; its anchor is not ready yet');
}

/** Whether the guest runs pods, in the words of its Node. */
function containerHostOf({ vm, virtualNode }: Observed): ConditionDraft | undefined {
  if (vm.spec.containerHost === undefined) return undefined;
  const ready = conditionOf(virtualNode?.status?.conditions, 'Ready');
  if (ready?.status === 'True') return { type: 'ContainerHost', status: 'True', reason: 'NodeReady', message: `pods run here; the Node is ${virtualNode?.metadata.name ?? ''}, reached by ${vm.spec.containerHost.transport === 'TLS' ? 'TLS' : 'virtio-serial'}` };
  return { type: 'ContainerHost', status: 'False', reason: ready?.reason ?? 'NodeNotReady', message: ready?.message ?? 'the guest has not answered as a node yet' };
}

/** Of a running guest whose anchor is not ready. */
function isProbeWaitedFor({ spec }: VirtualMachine, { status }: Pod): boolean {
  const readiness = spec.probes?.readiness;
  if (readiness?.guestAgent !== undefined) return !isTrue(status?.conditions, CONDITION_GUEST);
  return readiness !== undefined && status?.phase === 'Running' && conditionOf(status.conditions, 'ContainersReady')?.status === 'False';
}

function notRunning(vm: VirtualMachine, record: RunRecord, no: (reason: string, message: string) => ConditionDraft): ConditionDraft {
  if (record.completed === true) return no('Completed', `the guest has ended and runStrategy ${vm.spec.runStrategy ?? ''} does not start it again; yado restart ${vm.metadata.name} does`);
  if (vm.spec.runStrategy === 'Halted') return no('Halted', 'runStrategy is Halted');
  if (vm.spec.runStrategy === 'Manual') return no('Stopped', `runStrategy is Manual; yado start ${vm.metadata.name} starts it`);
  const last = vm.status?.guest;
  const why = last?.message ?? (last === undefined ? '' : `the guest ended (${last.reason ?? last.phase})`);
  if (record.nextStart !== undefined) return no('BackOff', `${why}; it is started again at ${record.nextStart}`);
  return no('Starting', 'the guest is about to be started');
}

function scheduledOf({ anchor }: Observed): ConditionDraft {
  const condition = conditionOf(anchor?.status?.conditions, 'PodScheduled');
  if (anchor?.spec.nodeName !== undefined) return { type: 'Scheduled', status: 'True', reason: 'Scheduled', message: `on node ${anchor.spec.nodeName}` };
  return { type: 'Scheduled', status: 'False', reason: condition?.reason ?? 'NoAnchor', message: condition?.message ?? 'there is nothing to schedule' };
}

function restartRequired({ anchor, guest }: Observed): boolean {
  const running = anchor?.metadata.annotations?.[ANNOTATION_GUEST];
  if (running === undefined || guest instanceof Error || anchor === undefined || isDeleting(anchor)) return false;
  return !isSameGuest(JSON.parse(running) as CompiledGuest, guest);
}

function homeOf(vm: VirtualMachine, anchor: Pod | undefined, guest: CompiledGuest | undefined): string | undefined {
  if (vm.status?.home !== undefined) return vm.status.home;
  return guest !== undefined && hasPersistentDisk(guest) ? anchor?.spec.nodeName : undefined;
}

function phasesOf(vm: VirtualMachine, anchor: Pod | undefined, seen: GuestStatus | undefined, ready: boolean, nowMs: number): { phase: string; time: string }[] {
  const known = new Map((vm.status?.phases ?? []).map(({ phase, time }) => [phase, time]));
  const sameRun = vm.status?.anchor === anchor?.metadata.name;
  const reached = (phase: string, time: string | undefined): [string, string][] => (time === undefined ? [] : [[phase, time]]);
  const kept = (phase: string, holds: boolean): string | undefined => (holds ? (sameRun ? known.get(phase) : undefined) ?? timestamp(nowMs) : undefined);
  return [
    ...reached('Created', anchor?.metadata.creationTimestamp),
    ...reached('Scheduled', conditionOf(anchor?.status?.conditions, 'PodScheduled')?.lastTransitionTime),
    ...reached('Started', seen?.startedAt),
    ...reached('Ready', kept('Ready', ready)),
  ].map(([phase, time]) => ({ phase, time }));
}
