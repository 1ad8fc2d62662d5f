import type { ContainerStatusReport, PodManifest, PodStatusReport } from './pod.ts';
import { isSidecar, restartPolicyOf } from './restart.ts';

type Phase = NonNullable<PodStatusReport['phase']>;

interface Counts {
  running: number;
  waiting: number;
  stopped: number;
  succeeded: number;
  unknown: number;
}

/**
 * The phase that the containers' states add up to. `over`: none of them is started again whatever its restart policy;
 * `begun`: a main container has been made in the present sandbox.
 */
export function phaseOf(pod: PodManifest, init: readonly ContainerStatusReport[], main: readonly ContainerStatusReport[], { over, begun }: { readonly over: boolean; readonly begun: boolean }): Phase {
  const policy = restartPolicyOf(pod);
  const initSpecs = pod.spec.initContainers ?? [];
  const statusOf = (name: string, statuses: readonly ContainerStatusReport[]): ContainerStatusReport | undefined => statuses.find((status) => status.name === name);
  const plain = initSpecs.filter((spec) => !isSidecar(spec)).map(({ name }) => progressOf(statusOf(name, init)));
  if (policy === 'Never' && plain.includes('failed')) return 'Failed';
  const counts: Counts = { running: 0, waiting: 0, stopped: 0, succeeded: 0, unknown: 0 };
  const sidecarPending = initSpecs.filter(isSidecar).map(({ name }) => countSidecar(statusOf(name, init), counts));
  for (const { name } of pod.spec.containers) countMain(statusOf(name, main), counts);
  const initPending = plain.includes('pending') || (sidecarPending.includes(true) && !begun);
  if (initPending || counts.waiting > 0) return 'Pending';
  if (counts.running > 0 && counts.unknown === 0) return 'Running';
  if (counts.running > 0 || counts.stopped === 0 || counts.unknown > 0) return 'Pending';
  const succeeded = counts.stopped === counts.succeeded;
  if (over) return succeeded ? 'Succeeded' : 'Failed';
  if (policy === 'Always') return 'Running';
  if (succeeded) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

function progressOf(status: ContainerStatusReport | undefined): 'done' | 'failed' | 'pending' {
  const end = status?.state?.terminated ?? (status?.state?.waiting === undefined ? undefined : status.lastState?.terminated);
  if (end === undefined) return 'pending';
  return end.exitCode === 0 ? 'done' : 'failed';
}

/** Whether it has yet to start. One that has ended does not count. */
function countSidecar(status: ContainerStatusReport | undefined, counts: Counts): boolean {
  if (status?.state?.running !== undefined) {
    counts.running += 1;
    return status.started !== true;
  }
  if (status?.state?.terminated !== undefined) return false;
  if (status?.state?.waiting === undefined) {
    counts.unknown += 1;
    return status !== undefined;
  }
  if (status.lastState?.terminated !== undefined) return false;
  counts.waiting += 1;
  return true;
}

function countMain(status: ContainerStatusReport | undefined, counts: Counts): void {
  const { running, waiting, terminated } = status?.state ?? {};
  if (running !== undefined) counts.running += 1;
  else if (terminated !== undefined || (waiting !== undefined && status?.lastState?.terminated !== undefined)) {
    counts.stopped += 1;
    if (terminated?.exitCode === 0) counts.succeeded += 1;
  } else if (waiting === undefined) counts.unknown += 1;
  else counts.waiting += 1;
}
