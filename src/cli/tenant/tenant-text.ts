import type { OpenStackTenantStatus } from '../../api/open-stack-tenant.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { formatTable } from '../table.ts';
import { wordsOf } from './discovery-text.ts';

/** A tenant as programs are told of it. */
export interface TenantSummary extends OpenStackTenantStatus {
  readonly namespace: string;
  readonly name: string;
  readonly mode: 'Observe' | 'Manage';
  readonly deleting: boolean;
}

export function summaryOf({ metadata: { name, namespace = 'default', deletionTimestamp }, spec, status }: OpenStackTenant): TenantSummary {
  return { namespace, name, mode: spec.servers?.mode ?? 'Observe', deleting: deletionTimestamp !== undefined, ...status };
}

/** One row each. */
export function tenantsTable(tenants: readonly OpenStackTenant[], nowMs: number): string {
  return formatTable([
    ['NAMESPACE', 'NAME', 'PROJECT', 'MODE', 'READY', 'REASON', 'SERVERS', 'PROBLEMS', 'LAST SYNC'],
    ...tenants.map((tenant) => {
      const { namespace, name, project, mode, conditions, counts, problems = [], lastSync } = summaryOf(tenant);
      const { status = 'Unknown', reason = '-' } = conditionOf(conditions, 'Ready') ?? {};
      const servers = counts?.find(({ kind }) => kind === 'servers');
      return [namespace, name, project?.name ?? '-', mode, status, reason, servers === undefined ? '-' : `${servers.here ?? 0}/${servers.there}`, String(problems.length), lastSync === undefined ? '-' : ago(lastSync.time, nowMs)];
    }),
  ]);
}

/** All that a tenant says of itself. */
export function tenantText(tenant: OpenStackTenant, nowMs: number): string {
  const { namespace, name, project, mode, deleting, conditions = [], counts = [], problems = [], lastSync } = summaryOf(tenant);
  const where = project === undefined ? 'a project that is not known yet' : `project ${project.name} (${project.id})`;
  return [
    `OpenStackTenant ${name} in namespace ${namespace}: ${where}, mode ${mode}${deleting ? ', being removed' : ''}`,
    lastSync === undefined ? 'There was no sync yet.' : `The last sync that is told of was ${ago(lastSync.time, nowMs)}: ${lastSync.requests} calls in ${lastSync.seconds} s, ${lastSync.changes} changes`,
    ...(conditions.length === 0 ? [] : ['', formatTable([['CONDITION', 'STATUS', 'REASON', 'MESSAGE'], ...conditions.map(({ type, status, reason = '', message = '' }) => [type, status, reason, message])])]),
    ...(counts.length === 0 ? [] : ['', formatTable([['KIND', 'THERE', 'HERE'], ...counts.map(({ kind, there, here }) => [wordsOf(kind), String(there), here === undefined ? '-' : String(here)])])]),
    '',
    ...(problems.length === 0 ? ['No problems.'] : ['Not shown, or not all of it:', ...problems.map((line) => `  ${line}`)]),
  ].join('\n');
}

function ago(time: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}
