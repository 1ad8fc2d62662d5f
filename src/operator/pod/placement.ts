import { LABEL_NAMESPACE, LABEL_VIRTUAL_MACHINE, TAINT_VIRTUAL_NODE } from '../../api/group.ts';
import type { MachinePlacement, PodPlacement } from '../../api/pod.ts';
import type { Toleration } from '../../api/pod-fields.ts';
import { nodeLabelOf } from '../virtual-node/machine-labels.ts';

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
}

interface NodeSelectorTerm {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

interface Preference {
  readonly weight: number;
  readonly preference: NodeSelectorTerm;
}

/** core/v1's Affinity, the part of it that a placement adds to. */
interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] };
    readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly Preference[];
  };
  readonly [field: string]: unknown;
}

/** The fields of a PodSpec by which kube-scheduler finds the place. */
export interface SchedulingFields {
  readonly affinity?: unknown;
  readonly tolerations?: readonly Toleration[];
}

const TOLERATION: Toleration = { key: TAINT_VIRTUAL_NODE, operator: 'Exists', effect: 'NoSchedule' };
const ON_HOST: Requirement = { key: LABEL_VIRTUAL_MACHINE, operator: 'DoesNotExist' };
const HEAVIEST = 100;

/** What a pod's own scheduling fields become for its placement. */
export function schedulingFor(placement: PodPlacement | undefined, namespace: string, own: SchedulingFields): SchedulingFields {
  if (placement?.virtualMachine !== undefined) {
    return { tolerations: [...own.tolerations ?? [], TOLERATION], affinity: required(own.affinity, inMachine(placement.virtualMachine, namespace)) };
  }
  if (placement?.any === undefined) return own;
  const prefer = placement.any.prefer ?? [];
  const preferences = prefer.map((place, index): Preference => ({
    weight: Math.max(HEAVIEST - index * Math.floor(HEAVIEST / prefer.length), 1),
    preference: { matchExpressions: place.virtualMachine === undefined ? [ON_HOST] : inMachine(place.virtualMachine, namespace) },
  }));
  return { tolerations: [...own.tolerations ?? [], TOLERATION], affinity: preferred(eitherHere(own.affinity, namespace), preferences) };
}

/** The placement in a word, for the status. */
export function wordFor(placement: PodPlacement | undefined): string {
  if (placement?.virtualMachine !== undefined) return placement.virtualMachine.name === undefined ? 'vm/*' : `vm/${placement.virtualMachine.name}`;
  if (placement?.isolated !== undefined) return 'isolated';
  return placement?.any === undefined ? 'node' : 'any';
}

function inMachine({ name, selector }: MachinePlacement, namespace: string): readonly Requirement[] {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]): Requirement => ({ key: nodeLabelOf(key), operator: 'In', values: [value] }));
  const expressions = (selector?.matchExpressions ?? []).map(({ key, ...rest }): Requirement => ({ key: nodeLabelOf(key), ...rest }));
  return [
    { key: LABEL_NAMESPACE, operator: 'In', values: [namespace] },
    name === undefined ? { key: LABEL_VIRTUAL_MACHINE, operator: 'Exists' } : { key: LABEL_VIRTUAL_MACHINE, operator: 'In', values: [name] },
    ...labels,
    ...expressions,
  ];
}

/** On a host, or in a machine of this namespace: each of the user's own terms, with either. */
function eitherHere(affinity: unknown, namespace: string): Affinity {
  const own = (affinity ?? {}) as Affinity;
  const terms = own.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}];
  const here: Requirement = { key: LABEL_NAMESPACE, operator: 'In', values: [namespace] };
  return withTerms(own, terms.flatMap((term) => [ON_HOST, here].map((place) => also(term, [place]))));
}

/** Terms are alternatives: each must also ask for the place. */
function required(affinity: unknown, place: readonly Requirement[]): Affinity {
  const own = (affinity ?? {}) as Affinity;
  const terms = own.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}];
  return withTerms(own, terms.map((term) => also(term, place)));
}

function preferred(affinity: Affinity, preferences: readonly Preference[]): Affinity {
  if (preferences.length === 0) return affinity;
  const own = affinity.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return { ...affinity, nodeAffinity: { ...affinity.nodeAffinity, preferredDuringSchedulingIgnoredDuringExecution: [...own, ...preferences] } };
}

function also(term: NodeSelectorTerm, more: readonly Requirement[]): NodeSelectorTerm {
  return { ...term, matchExpressions: [...term.matchExpressions ?? [], ...more] };
}

function withTerms(own: Affinity, nodeSelectorTerms: readonly NodeSelectorTerm[]): Affinity {
  return { ...own, nodeAffinity: { ...own.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
}
