import type { OpenStackTenantStatus } from '../../api/open-stack-tenant.ts';
import { messageOf, YadoError } from '../../base/errors.ts';
import { conditionOf, mergeConditions, timestamp, type ConditionDraft } from '../../kube/conditions.ts';
import { keyOf } from '../../kube/object.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { INVENTORY_KINDS, type InventoryKind } from '../../openstack/inventory/state.ts';
import type { MirrorInformers } from './informers.ts';
import { defined } from './patch.ts';
import type { RouteRound } from './router-routes.ts';
import type { TargetName } from './target.ts';
import type { TenantSession } from './tenant-session.ts';

/** What was changed here and put back. */
export interface PutBack {
  readonly what: readonly string[];
  readonly atMs: number;
}

export interface Told {
  readonly tenant: OpenStackTenant;
  readonly session: TenantSession;
  readonly informers: MirrorInformers;
  /** Objects that are still to be looked at. */
  readonly left: number;
  readonly putBack: PutBack | undefined;
  /** Of routers in the cloud; undefined where nothing is known of the cloud. */
  readonly routes: RouteRound | undefined;
  readonly nowMs: number;
}

/** How long it is told that something was put back. */
export const PUT_BACK_MS = 600_000;
/** Syncs without any change are told of this often. */
const UNCHANGED_MS = 300_000;
const NAMED = 3;

const HERE: Readonly<Partial<Record<InventoryKind, TargetName>>> = {
  servers: 'servers', flavors: 'flavors', images: 'images', volumes: 'volumes', subnets: 'subnets', securityGroups: 'securityGroups', keypairs: 'keypairs',
};
/** Kinds that a cluster may lack, or that the operator may not see everywhere. */
const OPTIONAL = {
  subnets: 'the cluster has no IPPools of Calico (crd.projectcalico.org/v1), or the operator may not see them',
  securityGroups: 'the cluster has no NetworkPolicies of Calico (crd.projectcalico.org/v1), or the operator may not see them',
  keypairs: 'the operator may not list the Secrets of all namespaces',
} as const;
type OptionalKind = keyof typeof OPTIONAL;

/** What a tenant says of itself. Equal to what it said before where nothing has changed. */
export function tenantStatus(told: Told): OpenStackTenantStatus {
  const { tenant, session, nowMs } = told;
  const { status: before, metadata } = tenant;
  const conditions = [...mergeConditions(before?.conditions, draftsOf(told), nowMs, metadata.generation)];
  const lines = session.hasState ? [...session.mirror.problems.lines(generalProblems(told))] : before?.problems;
  const next = defined({
    conditions,
    project: session.identity === undefined ? before?.project : { id: session.identity.projectId, name: session.identity.projectName },
    counts: session.hasState ? countsOf(told) : before?.counts,
    quota: session.hasState ? session.quota === undefined ? undefined : [...session.quota] : before?.quota,
    routes: someOf(told.routes?.recorded ?? before?.routes),
    problems: someOf(lines),
  });
  const lastSync = lastSyncOf(told);
  return { ...next, ...(lastSync === undefined ? {} : { lastSync }) };
}

/** Of a tenant that goes once nothing is left of its objects. */
export function removingStatus({ status, metadata }: OpenStackTenant, left: readonly string[], nowMs: number): OpenStackTenantStatus {
  const draft: ConditionDraft = { type: 'Ready', status: 'False', reason: 'Removing', message: `waits for ${named(left)} to be gone` };
  return { ...status, conditions: [...mergeConditions(status?.conditions, [draft], nowMs, metadata.generation)] };
}

/** One without changes is no reason to write, but for one in a while. */
function lastSyncOf({ tenant: { status: before }, session: { last }, nowMs }: Told): OpenStackTenantStatus['lastSync'] {
  const told = before?.lastSync;
  if (last === undefined) return told;
  const isNews = told === undefined || (last.changes > 0 && timestamp(last.atMs) !== told.time) || nowMs - Date.parse(told.time) >= UNCHANGED_MS;
  return isNews ? { time: timestamp(last.atMs), requests: last.requests, seconds: last.seconds, changes: last.changes } : told;
}

function draftsOf(told: Told): readonly ConditionDraft[] {
  const { tenant, session, putBack, routes, nowMs } = told;
  const drafts = [readyOf(told), driftedOf(putBack, nowMs)];
  const { overlaps } = session.mirror.problems;
  const connection = routes === undefined ? keptOf(tenant, 'Connected') : routes.condition;
  if (connection !== undefined) drafts.push(connection);
  if (overlaps.length > 0) drafts.push({ type: 'NetworksOverlap', status: 'True', reason: 'CidrTaken', message: named(overlaps) });
  return drafts;
}

/** As it was said last. */
function keptOf({ status }: OpenStackTenant, type: string): ConditionDraft | undefined {
  const known = conditionOf(status?.conditions, type);
  return known === undefined ? undefined : { type, status: known.status, reason: known.reason ?? '', message: known.message ?? '' };
}

function readyOf({ session, left }: Told): ConditionDraft {
  const { fault } = session;
  if (fault !== undefined) return { type: 'Ready', status: 'False', reason: reasonOf(fault), message: messageOf(fault) };
  if (!session.hasState) return { type: 'Ready', status: 'False', reason: 'Connecting', message: 'the cloud has not answered yet' };
  if (left > 0) return { type: 'Ready', status: 'False', reason: 'Mirroring', message: 'what the cloud has is being written' };
  return { type: 'Ready', status: 'True', reason: 'Synced', message: 'all is as in the cloud, but for what problems list' };
}

function reasonOf(fault: unknown): string {
  if (!(fault instanceof YadoError)) return 'SyncFailed';
  return fault.code === 'InvalidCloudSettings' ? 'CloudInvalid' : fault.code;
}

function driftedOf(putBack: PutBack | undefined, nowMs: number): ConditionDraft {
  if (putBack === undefined || nowMs - putBack.atMs >= PUT_BACK_MS) return { type: 'Drifted', status: 'False', reason: 'AsInTheCloud', message: 'nothing was changed here of late' };
  return { type: 'Drifted', status: 'True', reason: 'PutBack', message: `changed here and put back at ${timestamp(putBack.atMs)}: ${named(putBack.what)}` };
}

function countsOf({ session: { state }, informers, tenant }: Told): NonNullable<OpenStackTenantStatus['counts']> {
  return INVENTORY_KINDS.map((kind) => {
    const target = HERE[kind];
    return { kind, there: state[kind].size, ...(target === undefined ? {} : { here: informers[target].byIndex('tenant', keyOf(tenant)).length }) };
  });
}

/** What is true of a kind as a whole. */
function generalProblems({ session, informers, tenant: { spec } }: Told): readonly string[] {
  const missing = session.missing.map((kind) => `the cloud has no ${kind}: it has no such service, or does not show them`);
  const { snapshots } = session.state;
  const observed: Readonly<Record<OptionalKind, { readonly mode?: string } | undefined>> = { subnets: spec.networks, securityGroups: spec.securityGroups, keypairs: spec.keypairs };
  const lacking = (Object.keys(OPTIONAL) as readonly OptionalKind[]).filter((kind) => session.state[kind].size > 0 && !informers[kind].hasSynced && observed[kind]?.mode !== 'Ignore');
  return [
    ...missing,
    ...lacking.map((kind) => `${kind} are not shown: ${OPTIONAL[kind]}`),
    ...(snapshots.size === 0 ? [] : [`${snapshots.size} snapshots of volumes are counted, and not shown otherwise`]),
  ];
}

function someOf<T>(list: readonly T[] | undefined): T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : [...list];
}

function named(texts: readonly string[]): string {
  return `${texts.slice(0, NAMED).join('; ')}${texts.length > NAMED ? `; and ${texts.length - NAMED} more` : ''}`;
}
