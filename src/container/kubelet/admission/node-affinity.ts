import type { PodManifest } from '../pod.ts';

type Labels = Readonly<Record<string, string>>;

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  readonly values?: readonly string[];
}

interface Term {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

interface Affinity {
  readonly nodeAffinity?: { readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly Term[] } };
}

/** Whether the pod may be on a node of this name with these labels. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ */
export function acceptsNode({ spec }: PodManifest, name: string, labels: Labels): boolean {
  const { nodeSelector = {}, affinity } = spec as { readonly nodeSelector?: Labels; readonly affinity?: Affinity };
  if (Object.entries(nodeSelector).some(([key, value]) => labels[key] !== value)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matches(term, name, labels));
}

/** A term that says nothing is met by no node. */
function matches({ matchExpressions = [], matchFields = [] }: Term, name: string, labels: Labels): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return matchExpressions.every((requirement) => meets(requirement, labels)) && matchFields.every((requirement) => meets(requirement, { 'metadata.name': name }));
}

function meets({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In': return value !== undefined && values.includes(value);
    case 'NotIn': return value === undefined || !values.includes(value);
    case 'Exists': return value !== undefined;
    case 'DoesNotExist': return value === undefined;
    case 'Gt': return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt': return value !== undefined && Number(value) < Number(values[0]);
  }
}
