import type { OpenStackMigrationStatus, ServerMigration, ServerPhase } from '../../api/open-stack-migration.ts';
import { mergeConditions, type ConditionDraft } from '../../kube/conditions.ts';
import type { OpenStackMigration } from '../../kube/yadokari.ts';
import { areCleared } from './disks.ts';

/** What the migration says of itself: each server, and all of them in one condition. */
export function migrationStatus(migration: OpenStackMigration, servers: readonly ServerMigration[], fault: string | undefined, nowMs: number): OpenStackMigrationStatus {
  const moved = servers.filter(({ phase }) => phase === 'Moved').length;
  const complete = fault === undefined ? completeOf(migration, servers) : { type: 'Complete', status: 'False' as const, reason: 'TenantNotReady', message: fault };
  return {
    conditions: [...mergeConditions(migration.status?.conditions, [complete, plannedOf(servers)], nowMs, migration.metadata.generation)] as NonNullable<OpenStackMigrationStatus['conditions']>,
    progress: `${moved}/${servers.length}`,
    servers: [...servers],
  };
}

/** True when nothing is left to do: all were moved, or all went back. */
function completeOf({ spec }: OpenStackMigration, servers: readonly ServerMigration[]): ConditionDraft {
  const of = (phase: ServerPhase): readonly ServerMigration[] => servers.filter((server) => server.phase === phase);
  const say = (status: ConditionDraft['status'], reason: string, message: string): ConditionDraft => ({ type: 'Complete', status, reason, message });
  const names = (list: readonly ServerMigration[]): string => list.map(({ name }) => name).join(', ');
  if (spec.rollback === true) {
    const left = servers.filter(({ phase }) => phase !== 'RolledBack' && phase !== 'Planned' && phase !== 'Blocked');
    return left.length === 0 ? say('True', 'RolledBack', 'all servers are in the cloud as before') : say('False', 'RollingBack', `${names(left)} on the way back`);
  }
  if (servers.every((server) => server.phase === 'Moved' && areCleared(server)) && servers.length > 0) return say('True', 'Moved', `all ${servers.length} run here`);
  if (of('Blocked').length > 0) return say('False', 'Blocked', of('Blocked').map(({ name, message = '' }) => `${name}: ${message}`).join('; ').slice(0, 4096));
  if (spec.planOnly === true) return say('False', 'Planned', 'planOnly: false has it begin');
  const awaiting = of('AwaitingCutover');
  if (awaiting.length > 0 && awaiting.length === servers.filter(({ phase }) => phase !== 'Moved' && phase !== 'Waiting').length) return say('False', 'AwaitingCutover', `${names(awaiting)}: ${awaiting[0]?.message ?? 'copied'}`);
  return say('False', 'Moving', servers.filter(({ phase }) => phase !== 'Moved').map(({ name, phase }) => `${name} ${phase}`).join(', ').slice(0, 4096));
}

function plannedOf(servers: readonly ServerMigration[]): ConditionDraft {
  const open = servers.filter(({ plan }) => plan === undefined);
  const blocked = servers.filter(({ phase }) => phase === 'Blocked');
  if (open.length === 0 && blocked.length === 0) return { type: 'Planned', status: 'True', reason: 'Possible', message: 'all servers can be moved' };
  return { type: 'Planned', status: 'False', reason: blocked.length > 0 ? 'Impossible' : 'Planning', message: [...blocked, ...open].map(({ name, message = 'not looked at yet' }) => `${name}: ${message}`).join('; ').slice(0, 4096) };
}
