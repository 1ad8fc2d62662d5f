import type { OpenStackTenantSpec } from '../../api/open-stack-tenant.ts';
import { apiVersionOf, type KubeObject, type Resource } from '../../kube/object.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import type { Inventoried, InventoryKind, InventoryState } from '../../openstack/inventory/state.ts';
import type { StateIndex } from './state-index.ts';

/** Kinds of objects here, by what they mirror. Of a volume there are two. */
export type TargetName = 'flavors' | 'images' | 'keypairs' | 'securityGroups' | 'subnets' | 'claims' | 'volumes' | 'servers' | 'hostNames';

/** An address range of the cluster's own, such as that of an IPPool. */
export interface ReservedRange {
  /** Such as `IPPool default-ipv4-ippool`. */
  readonly what: string;
  readonly cidr: string;
  /** It was this subnet's, and is kept for machines that were moved here. */
  readonly subnet?: string;
}

/** All that a mapping may look at. */
export interface MapContext {
  readonly tenant: OpenStackTenant;
  readonly state: InventoryState;
  readonly index: StateIndex;
  readonly reserved: readonly ReservedRange[];
  /** The object here that mirrors this, once there is one; without uid as long as the cache does not show it. */
  readonly mirrorOf: (target: TargetName, id: string) => { readonly name: string; readonly uid?: string } | undefined;
  /** The id of what the object here of that name mirrors; undefined where it mirrors nothing of this tenant. */
  readonly mirroredBy: (target: TargetName, name: string) => string | undefined;
  /** Whether an object here that asked for this image shows it already. */
  readonly isSnapshot: (imageId: string) => boolean;
  readonly nowMs: number;
}

/** What an object here should be like, without what all have: name, owner, and labels of tenant and id. */
export interface Wanted {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** Such as `spec` or `data`. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
  /** What of it cannot be said here; it is mirrored all the same. */
  readonly problem?: string;
  /** Such a problem is also told by a condition of the tenant. */
  readonly overlap?: string;
}

export type Mapping =
  | { readonly kind: 'wanted'; readonly wanted: Wanted }
  | { readonly kind: 'impossible'; readonly problem: string; readonly overlap?: string }
  /** Another object shows it. */
  | { readonly kind: 'elsewhere' };

/** How one kind of the cloud becomes objects of one kind here. */
export interface Target<S, O extends KubeObject = KubeObject> {
  readonly name: TargetName;
  /** Of the inventory. */
  readonly source: InventoryKind;
  readonly resource: Resource<O>;
  readonly isOn: (spec: OpenStackTenantSpec) => boolean;
  /** Whether this one is to be shown; all by default. */
  readonly isChosen?: (source: S, spec: OpenStackTenantSpec) => boolean;
  /** The first choice of a name. */
  readonly baseName: (source: S, tenant: OpenStackTenant) => string;
  readonly originalName: (source: S) => string;
  readonly nameLimit: number;
  readonly map: (source: S, context: MapContext, existing: O | undefined) => Mapping;
  /** Paths of which nothing is kept that is not wanted. */
  readonly whole: ReadonlySet<string>;
  /** Such a change needs another object. */
  readonly isFixed?: (paths: readonly string[]) => boolean;
  /** Its body is not looked at again once it is made. */
  readonly createOnly?: true;
}

export type Source = Inventoried[InventoryKind];
export type AnyTarget = Target<Source>;

/** Tells one mirrored thing from all others of a tenant. */
export function itemKey(target: TargetName, idLabel: string): string {
  return `${target}/${idLabel}`;
}

export function identityOf({ resource }: AnyTarget): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind };
}

export function wanted(value: Wanted): Mapping {
  return { kind: 'wanted', wanted: value };
}

export function impossible(problem: string, overlap?: string): Mapping {
  return { kind: 'impossible', problem, ...(overlap === undefined ? {} : { overlap }) };
}

export function isObserved(part: { readonly mode?: 'Observe' | 'Ignore' } | undefined): boolean {
  return part?.mode !== 'Ignore';
}
