import type { KubeObject } from '../../src/kube/object.ts';

interface PodSecurity {
  readonly runAsNonRoot?: boolean;
  readonly seccompProfile?: { readonly type: string };
}

interface ContainerFields {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly valueFrom?: object }[];
  readonly resources?: { readonly requests?: Readonly<Record<string, string>> };
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly runAsNonRoot?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[] };
  };
}

interface PodFields {
  readonly securityContext?: PodSecurity;
  readonly containers: readonly ContainerFields[];
  readonly initContainers?: readonly ContainerFields[];
}

/** A container with the object that it is of, such as `DaemonSet yadokari-agent`, and its pod's security context. */
export interface ChartContainer extends ContainerFields {
  readonly owner: string;
  readonly pod: PodSecurity;
}

/** Containers of an object that is a pod or makes pods; none of any other. */
export function containersOf(object: KubeObject): readonly ChartContainer[] {
  const { spec } = object as KubeObject & { readonly spec?: PodFields & { readonly template?: { readonly spec?: PodFields } } };
  if (!['Pod', 'Deployment', 'DaemonSet', 'Job'].includes(object.kind) || spec === undefined) return [];
  const pod = spec.template?.spec ?? spec;
  return [...(pod.initContainers ?? []), ...pod.containers].map((container) => ({ ...container, owner: `${object.kind} ${object.metadata.name}`, pod: pod.securityContext ?? {} }));
}

export interface ChartRule {
  /** Such as `ClusterRole yadokari-agent`. */
  readonly role: string;
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export function rulesOf(object: KubeObject): readonly ChartRule[] {
  const { rules = [] } = object as KubeObject & { readonly rules?: readonly Omit<ChartRule, 'role'>[] };
  return /^(Cluster)?Role$/.test(object.kind) ? rules.map((rule) => ({ ...rule, role: `${object.kind} ${object.metadata.name}` })) : [];
}

/** Which role a binding gives to whom. */
export function bindingsOf(object: KubeObject): readonly { readonly role: string; readonly subjects: readonly { readonly kind: string; readonly namespace?: string }[] }[] {
  if (!/^(Cluster)?RoleBinding$/.test(object.kind)) return [];
  const { roleRef, subjects } = object as unknown as { readonly roleRef: { readonly name: string }; readonly subjects: readonly { readonly kind: string; readonly namespace?: string }[] };
  return [{ role: roleRef.name, subjects }];
}
