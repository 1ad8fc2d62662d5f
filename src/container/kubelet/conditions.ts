import type { Condition } from '../../kube/core.ts';
import type { ContainerStatusReport, PodManifest, PodStatusReport } from './pod.ts';
import { isSidecar } from './restart.ts';

type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>;

const OURS = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']);
const TRUE: Verdict = { status: 'True' };

export interface ConditionFacts {
  readonly phase: NonNullable<PodStatusReport['phase']>;
  /** A sandbox with an address is there. */
  readonly hasSandbox: boolean;
  readonly init: readonly ContainerStatusReport[];
  readonly main: readonly ContainerStatusReport[];
  /** What was written before; times of what has not changed stay. */
  readonly before: readonly Condition[];
  readonly now: string;
}

/** The kubelet's conditions of a pod. Those of others are theirs to write. */
export function conditionsOf(pod: PodManifest, facts: ConditionFacts): readonly Condition[] {
  const foreign = (pod.status?.conditions ?? []).filter(({ type }) => !OURS.has(type));
  const ready = containersReady(pod, facts);
  const verdicts: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', { status: facts.hasSandbox ? 'True' : 'False' }],
    ['Initialized', initialized(pod, facts)],
    ['Ready', ready.status === 'True' ? gates(pod, foreign) : ready],
    ['ContainersReady', ready],
    ['PodScheduled', TRUE],
  ];
  return verdicts.map(([type, verdict]) => dated(pod, type, verdict, facts));
}

/** A pod that is driven out. https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions */
export function disruptionTarget(pod: PodManifest, message: string, { conditions = [] }: PodStatusReport, now: string): Condition {
  return dated(pod, 'DisruptionTarget', { status: 'True', reason: 'TerminationByKubelet', message }, { before: conditions, now });
}

function dated({ metadata: { generation } }: PodManifest, type: string, verdict: Verdict, { before, now }: Pick<ConditionFacts, 'before' | 'now'>): Condition {
  const last = before.find((condition) => condition.type === type);
  const lastTransitionTime = last?.status === verdict.status && last.lastTransitionTime !== undefined ? last.lastTransitionTime : now;
  return { type, ...(generation === undefined ? {} : { observedGeneration: generation }), ...verdict, lastTransitionTime };
}

function containersReady({ spec }: PodManifest, { phase, init, main }: ConditionFacts): Verdict {
  const statuses = [...init, ...main];
  const names = [...(spec.initContainers ?? []).filter(isSidecar), ...spec.containers].map(({ name }) => name);
  const unknown = names.filter((name) => !statuses.some((status) => status.name === name));
  const unready = names.filter((name) => statuses.some((status) => status.name === name && !status.ready));
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const message = [...listed('containers with unknown status', unknown), ...listed('containers with unready status', unready)].join(', ');
  return message === '' ? TRUE : { status: 'False', reason: 'ContainersNotReady', message };
}

function initialized({ spec }: PodManifest, { phase, init, main }: ConditionFacts): Verdict {
  const specs = spec.initContainers ?? [];
  const unknown = specs.filter(({ name }) => !init.some((status) => status.name === name)).map(({ name }) => name);
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  // Sidecars may be restarting.
  if (main.some(({ state }) => state?.running !== undefined || state?.terminated !== undefined)) return TRUE;
  const incomplete = specs.filter((candidate) => {
    const status = init.find(({ name }) => name === candidate.name);
    return status !== undefined && !(isSidecar(candidate) ? status.started === true : status.ready);
  });
  const message = [...listed('containers with unknown status', unknown), ...listed('containers with incomplete status', incomplete.map(({ name }) => name))].join(', ');
  return message === '' ? TRUE : { status: 'False', reason: 'ContainersNotInitialized', message };
}

function gates({ spec }: PodManifest, conditions: readonly Condition[]): Verdict {
  const messages = (spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = conditions.find(({ type }) => type === conditionType);
    if (found === undefined) return [`corresponding condition of pod readiness gate ${JSON.stringify(conditionType)} does not exist.`];
    return found.status === 'True' ? [] : [`the status of pod readiness gate ${JSON.stringify(conditionType)} is not "True", but ${found.status}`];
  });
  return messages.length === 0 ? TRUE : { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function listed(title: string, names: readonly string[]): readonly string[] {
  return names.length === 0 ? [] : [`${title}: [${names.join(' ')}]`];
}
