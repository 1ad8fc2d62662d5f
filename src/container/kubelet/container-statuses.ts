import { isDeleting } from '../../kube/object.ts';
import type { ObservedContainer, ObservedPod } from './observation.ts';
import type { ContainerSpec, ContainerStateReport, ContainerStatusReport, PodManifest } from './pod.ts';
import type { Resizes } from './resizes.ts';
import { isSidecar, isToBeStarted } from './restart.ts';

/** Why a container could not be started, in the words of its waiting state. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

/** What containers' probes say; see PodProbes. */
export interface Readiness {
  isStarted(container: ContainerSpec, id: string): boolean;
  isReady(container: ContainerSpec, id: string): boolean;
}

export interface ContainerFacts {
  readonly pod: PodManifest;
  readonly observed: ObservedPod;
  readonly reasons: ReadonlyMap<string, WaitingReason>;
  readonly readiness: Readiness;
  readonly resizes: Pick<Resizes, 'givenTo'>;
  /** What was written before. */
  readonly before: readonly ContainerStatusReport[];
}

export type ContainerRole = 'init' | 'main' | 'ephemeral';

const RUNTIME = 'containerd';
const LOST = { exitCode: 137, reason: 'ContainerStatusUnknown', startedAt: null, finishedAt: null } as const;

/** Statuses of the containers of one role, in the order in which the kubelet writes them. */
export function containerStatuses(specs: readonly ContainerSpec[], role: ContainerRole, facts: ContainerFacts): readonly ContainerStatusReport[] {
  const reports = specs.map((spec) => withProbes(spec, role, facts, withReason(spec, role, facts, reportOf(spec, facts))));
  return role === 'init' ? reports : reports.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** What a container was, as long as the runtime knows nothing of it. */
function defaultReport(spec: ContainerSpec, { pod, before }: ContainerFacts): ContainerStatusReport {
  const last = before.find(({ name }) => name === spec.name);
  if (last?.state?.terminated !== undefined) return last;
  const waiting = { reason: (pod.spec.initContainers ?? []).length > 0 ? 'PodInitializing' : 'ContainerCreating' };
  const lost = last?.state?.running !== undefined && last.lastState?.terminated === undefined;
  const lastState = lost ? { terminated: { ...LOST, message: 'The container could not be located when the pod was deleted.  The container used to be Running' } } : last?.lastState;
  return {
    name: spec.name,
    image: spec.image,
    imageID: '',
    ready: false,
    restartCount: (last?.restartCount ?? 0) + (lost && !isDeleting(pod) ? 1 : 0),
    state: { waiting },
    lastState: lastState ?? {},
    ...mountsOf(spec),
  };
}

function reportOf(spec: ContainerSpec, facts: ContainerFacts): ContainerStatusReport {
  const [newest, previous] = facts.observed.containers.filter(({ name }) => name === spec.name);
  if (newest === undefined) return defaultReport(spec, facts);
  const last = facts.before.find(({ name }) => name === spec.name);
  const resources = facts.resizes.givenTo(newest.id, spec);
  const vanished = newest.state === 'UNKNOWN' && last?.state?.running !== undefined;
  const state = vanished ? { terminated: { ...LOST, message: 'The container could not be located when the pod was terminated' } } : stateOf(newest);
  return {
    name: spec.name,
    image: newest.image,
    imageID: newest.imageRef,
    containerID: `${RUNTIME}://${newest.id}`,
    ready: false,
    restartCount: vanished ? last.restartCount + 1 : newest.restartCount,
    state,
    // Of a container that has ended the kubelet forgets the one before.
    lastState: previous === undefined || newest.state === 'EXITED' ? {} : stateOf(previous),
    ...mountsOf(spec),
    resources,
    ...(resources.requests === undefined ? {} : { allocatedResources: resources.requests }),
  };
}

/** A container that is to be started and could not be waits. */
function withReason(spec: ContainerSpec, role: ContainerRole, { pod, observed, reasons }: ContainerFacts, report: ContainerStatusReport): ContainerStatusReport {
  const newest = observed.containers.find(({ name }) => name === spec.name);
  const reason = reasons.get(spec.name);
  if (reason === undefined || (role === 'init' && newest?.state === 'EXITED' && newest.exitCode === 0) || !isToBeStarted(spec, pod, observed)) return report;
  const { state, ...rest } = report;
  return { ...rest, state: { waiting: reason }, ...(state?.terminated === undefined ? {} : { lastState: { terminated: state.terminated } }) };
}

function withProbes(spec: ContainerSpec, role: ContainerRole, { observed, readiness }: ContainerFacts, report: ContainerStatusReport): ContainerStatusReport {
  if (role === 'ephemeral') return report;
  const id = observed.containers.find(({ name }) => name === spec.name)?.id;
  const started = report.state?.running !== undefined && id !== undefined && readiness.isStarted(spec, id);
  const done = role === 'init' && !isSidecar(spec);
  const ready = done ? report.state?.terminated?.exitCode === 0 : started && id !== undefined && readiness.isReady(spec, id);
  return { ...report, started, ready };
}

function stateOf(container: ObservedContainer): ContainerStateReport {
  const { id, state, startedAtMs, finishedAtMs, exitCode, reason, message } = container;
  if (state === 'RUNNING') return { running: { startedAt: secondsOf(startedAtMs) } };
  if (state !== 'EXITED') return { waiting: {} };
  return {
    terminated: {
      exitCode,
      ...(reason === '' ? {} : { reason }),
      ...(message === '' ? {} : { message }),
      startedAt: secondsOf(startedAtMs),
      finishedAt: secondsOf(finishedAtMs),
      containerID: `${RUNTIME}://${id}`,
    },
  };
}

function mountsOf({ volumeMounts = [] }: ContainerSpec): Pick<ContainerStatusReport, 'volumeMounts'> {
  if (volumeMounts.length === 0) return {};
  return { volumeMounts: volumeMounts.map(({ name, mountPath, readOnly = false }) => ({ name, mountPath, ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}) })) };
}

/** A time as Kubernetes writes it: in whole seconds. */
export function secondsOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
