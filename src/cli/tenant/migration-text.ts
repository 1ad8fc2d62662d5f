import type { DiskMigration, OpenStackMigrationStatus, ServerMigration } from '../../api/open-stack-migration.ts';
import { formatBytes } from '../../base/quantity.ts';
import { conditionOf } from '../../kube/conditions.ts';
import type { OpenStackMigration } from '../../kube/yadokari.ts';
import { formatTable } from '../table.ts';

const BAR_WIDTH = 20;

/** What would become of each server. */
export function planText({ status }: OpenStackMigration): string {
  return (status?.servers ?? []).map(({ name, phase, plan, message }) => {
    if (plan === undefined) return `${name}: ${message ?? 'not looked at yet'}`;
    const part = (title: string, lines: readonly string[]): readonly string[] => lines.map((line, place) => `  ${(place === 0 ? title : '').padEnd(10)}  ${line}`);
    return [
      `${name}: ${plan.impossible.length > 0 ? 'cannot be moved' : `takes ${formatBytes(plan.bytes)} here, and about ${durationOf(plan.seconds)} to copy`}${phase === 'Planned' || phase === 'Blocked' ? '' : ` (${phase})`}`,
      ...part('impossible', plan.impossible), ...part('changed', plan.changed), ...part('kept', plan.kept),
    ].join('\n');
  }).join('\n\n');
}

/** One row for each server. */
export function migrationTable(migrations: readonly OpenStackMigration[]): string {
  return formatTable([
    ['NAMESPACE', 'MIGRATION', 'SERVER', 'PHASE', 'COPIED', 'DARK', 'WHAT'],
    ...migrations.flatMap(({ metadata: { namespace = 'default', name }, status }) => (status?.servers ?? []).map((server) => [namespace, name, server.name, server.phase, progressOf(server), server.darkSeconds === undefined ? '-' : `${server.darkSeconds} s`, server.message ?? '-'])),
  ]);
}

/** How far all of it is, in one line. */
export function progressLine({ servers = [], progress = '' }: OpenStackMigrationStatus): string {
  const busy = servers.filter(({ phase }) => phase !== 'Moved' && phase !== 'Waiting' && phase !== 'Planned');
  return [`${progress} moved`, ...busy.map((server) => `${server.name} ${server.phase} ${barOf(shareOf(server))}${server.message === undefined ? '' : ` ${server.message}`}`)].join('; ');
}

/** What the migration says of itself as a whole. */
export function sayOf({ status }: OpenStackMigration): { readonly reason: string; readonly message: string; readonly isComplete: boolean } {
  const { status: holds, reason = 'New', message = 'the operator has not taken it up yet: with the chart it needs openstack.enabled' } = conditionOf(status?.conditions, 'Complete') ?? {};
  return { reason, message, isComplete: holds === 'True' };
}

function progressOf(server: ServerMigration): string {
  return server.disks === undefined ? '-' : `${Math.floor(shareOf(server) * 100)} %`;
}

/** Of the present pass. */
function shareOf({ disks = [] }: ServerMigration): number {
  const total = disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return total === 0 ? 0 : disks.reduce((sum, disk) => sum + copiedOf(disk), 0) / total;
}

function copiedOf({ step, sizeBytes, copiedBytes = 0 }: DiskMigration): number {
  if (step === 'Copied' || step === 'Cleared') return sizeBytes;
  return step === 'Copying' ? copiedBytes : 0;
}

function barOf(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] ${Math.floor(share * 100)} %`;
}

function durationOf(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
