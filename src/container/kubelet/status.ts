import { conditionsOf, disruptionTarget } from './conditions.ts';
import { containerStatuses, secondsOf, type Readiness, type WaitingReason } from './container-statuses.ts';
import { usableSandbox, type ObservedPod } from './observation.ts';
import { phaseOf } from './phase.ts';
import type { ContainerStateReport, ContainerStatusReport, PodManifest, PodStatusReport } from './pod.ts';
import { qosClassOf } from './qos.ts';
import type { Resizes } from './resizes.ts';
import { isSidecar } from './restart.ts';

export interface StatusFacts {
  readonly pod: PodManifest;
  readonly observed: ObservedPod;
  /** What was last said of the pod. */
  readonly before: PodStatusReport;
  readonly reasons: ReadonlyMap<string, WaitingReason>;
  readonly readiness: Readiness;
  readonly resizes: Pick<Resizes, 'givenTo'>;
  readonly hostAddress: string;
  readonly nowMs: number;
  /** Nothing is started any more. */
  readonly over: boolean;
  /** Why the pod has failed, whatever its containers say. */
  readonly failure?: WaitingReason;
  /** Why the pod has to go for the sake of others. */
  readonly disruption?: string;
}

/** All messages of a pod's containers together, in bytes. */
const MOST_MESSAGE_BYTES = 12 * 1024;

/** The status that a kubelet writes of the pod. */
export function statusOf(facts: StatusFacts): PodStatusReport {
  const { pod, observed, before, reasons, readiness, resizes, nowMs, disruption } = facts;
  const shared = { pod, observed, reasons, readiness, resizes };
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  const init = containerStatuses(initContainers, 'init', { ...shared, before: before.initContainerStatuses ?? [] });
  const main = containerStatuses(containers, 'main', { ...shared, before: before.containerStatuses ?? [] });
  const ephemeral = containerStatuses(ephemeralContainers, 'ephemeral', { ...shared, before: before.ephemeralContainerStatuses ?? [] });
  const verdict = verdictOf(facts, init, main);
  const sandbox = usableSandbox(observed);
  const conditions = conditionsOf(pod, { phase: verdict.phase, hasSandbox: sandbox !== undefined, init, main, before: before.conditions ?? [], now: secondsOf(nowMs) });
  return {
    ...verdict,
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    conditions: disruption === undefined ? conditions : [...conditions, disruptionTarget(pod, disruption, before, secondsOf(nowMs))],
    ...addressesOf(facts, sandbox?.address ?? ''),
    startTime: before.startTime ?? secondsOf(nowMs),
    qosClass: qosClassOf(pod),
    ...lists(pod, init, main, ephemeral),
  };
}

/** The last status of a pod of which nothing runs any more: what nobody has seen end is said to have failed. */
export function lastStatusOf(pod: PodManifest, status: PodStatusReport): PodStatusReport {
  const message = 'The container could not be located when the pod was terminated';
  const ended = (report: ContainerStatusReport): ContainerStatusReport => (report.state?.terminated !== undefined ? report : { ...report, state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message, startedAt: null, finishedAt: null } } });
  const { containerStatuses: main = [], initContainerStatuses: init = [] } = status;
  const last = Math.max(init.findLastIndex(({ state, lastState }) => state?.waiting === undefined || lastState?.terminated !== undefined), 0);
  const phase = status.phase === 'Succeeded' ? 'Succeeded' : 'Failed';
  return {
    ...status,
    phase,
    ...(main.length === 0 ? {} : { containerStatuses: wasInitialized(pod) ? main.map(ended) : main }),
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map((report, index) => (index <= last ? ended(report) : report)) }),
  };
}

/** Whether the API has been told that the main containers may run. */
function wasInitialized({ spec, status: { containerStatuses = [], initContainerStatuses = [] } = {} }: PodManifest): boolean {
  const last = spec.initContainers?.at(-1);
  if (last === undefined || containerStatuses.some(({ state, lastState }) => state?.waiting === undefined || lastState?.terminated !== undefined)) return true;
  const report = initContainerStatuses.at(-1);
  if (isSidecar(last)) return report?.state?.running !== undefined && report.started === true;
  return (report?.state?.terminated ?? report?.lastState?.terminated)?.exitCode === 0;
}

/** As long as containers run the pod does not end, whatever is known of how it will. */
export function statusWhileEnding(status: PodStatusReport, before: PodStatusReport): PodStatusReport {
  if (!isOver(status.phase)) return status;
  const { phase, reason, message } = before;
  return { ...without(status, ['phase', 'reason', 'message']), ...(phase === undefined ? {} : { phase }), ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

export function isOver(phase: PodStatusReport['phase']): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

function without(status: PodStatusReport, names: readonly string[]): PodStatusReport {
  return Object.fromEntries(Object.entries(status).filter(([name]) => !names.includes(name)));
}

/** Nobody comes back from the end; the reason stays as long as the phase does. */
function verdictOf({ pod, observed, before, over, failure }: StatusFacts, init: readonly ContainerStatusReport[], main: readonly ContainerStatusReport[]): Pick<PodStatusReport, 'reason' | 'message'> & { readonly phase: NonNullable<PodStatusReport['phase']> } {
  if (failure !== undefined) return { phase: 'Failed', ...failure };
  const [newest] = observed.sandboxes;
  const begun = observed.containers.some(({ name, sandbox }) => sandbox === newest?.id && pod.spec.containers.some((spec) => spec.name === name));
  const computed = phaseOf(pod, init, main, { over, begun });
  const last = [before.phase, pod.status?.phase].find(isOver);
  const phase = last !== undefined && (!isOver(computed) || isOver(pod.status?.phase)) ? last : computed;
  if (phase !== before.phase) return { phase };
  const [reason, message] = [before.reason ?? pod.status?.reason, before.message ?? pod.status?.message];
  return { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

/** A pod keeps its address in its status, also when its sandbox is gone. */
function addressesOf({ before, hostAddress }: StatusFacts, address: string): Pick<PodStatusReport, 'hostIP' | 'hostIPs' | 'podIP' | 'podIPs'> {
  const podIP = address === '' ? before.podIP ?? '' : address;
  return { hostIP: hostAddress, hostIPs: [{ ip: hostAddress }], ...(podIP === '' ? {} : { podIP, podIPs: [{ ip: podIP }] }) };
}

function lists({ spec }: PodManifest, init: readonly ContainerStatusReport[], main: readonly ContainerStatusReport[], ephemeral: readonly ContainerStatusReport[]): Partial<PodStatusReport> {
  const each = Math.floor(MOST_MESSAGE_BYTES / Math.max(spec.containers.length + init.length + ephemeral.length, 1));
  const short = (reports: readonly ContainerStatusReport[]): readonly ContainerStatusReport[] => reports.map((report) => shortened(report, each));
  return {
    containerStatuses: short(main),
    ...(init.length === 0 ? {} : { initContainerStatuses: short(init) }),
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: short(ephemeral) }),
  };
}

function shortened({ state, lastState, ...rest }: ContainerStatusReport, bytes: number): ContainerStatusReport {
  const short = (of: ContainerStateReport): ContainerStateReport => {
    const { terminated } = of;
    if (terminated?.message === undefined || Buffer.byteLength(terminated.message) <= bytes) return of;
    return { terminated: { ...terminated, message: Buffer.from(terminated.message).subarray(0, bytes).toString() } };
  };
  return { ...rest, ...(state === undefined ? {} : { state: short(state) }), ...(lastState === undefined ? {} : { lastState: short(lastState) }) };
}
