import type { OpenStackTenant } from '../../../kube/yadokari.ts';
import { EMPTY_STATE, type InventoryState } from '../../../openstack/inventory/state.ts';
import { StateIndex } from '../state-index.ts';
import type { MapContext, Mapping, Wanted } from '../target.ts';

/** For unit tests: a tenant `shop` in the namespace `web`, and what else a mapping looks at. */
export function contextWith(fields: Partial<Omit<MapContext, 'state'>> & { readonly state?: { readonly [K in keyof InventoryState]?: InventoryState[K] } } = {}): MapContext {
  const tenant: OpenStackTenant = { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: 'web', name: 'shop', uid: 'u1' }, spec: { cloud: { secret: 'clouds' } } };
  return { tenant, index: new StateIndex(), reserved: [], mirrorOf: () => undefined, mirroredBy: () => undefined, isSnapshot: () => false, nowMs: Date.parse('2026-01-01T12:00:00Z'), ...fields, state: { ...EMPTY_STATE, ...fields.state } };
}

export function wantedOf(mapping: Mapping): Wanted {
  if (mapping.kind !== 'wanted') throw new Error(mapping.kind === 'impossible' ? mapping.problem : 'another object shows it');
  return mapping.wanted;
}

export function problemOf(mapping: Mapping): string {
  if (mapping.kind !== 'impossible') throw new Error('it can be mirrored');
  return mapping.problem;
}
