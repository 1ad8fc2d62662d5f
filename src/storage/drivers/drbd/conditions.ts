import type { ReplicatedVolumeSpec, ReplicatedVolumeStatus, ReplicaStatus } from '../../../api/replicated-volume.ts';
import type { ConditionDraft } from '../../../kube/conditions.ts';
import { decisionFor } from './promotion.ts';

/** What is true of a volume, by what its nodes say; each node comes to the same. */
export function conditionsOf(id: string, spec: ReplicatedVolumeSpec, status: ReplicatedVolumeStatus | undefined): readonly ConditionDraft[] {
  const said = spec.replicas.map(({ node }) => status?.replicas?.find((replica) => replica.node === node) ?? { node });
  return [ready(said, spec), degraded(said, spec), splitBrain(id, said, spec)];
}

function ready(said: readonly ReplicaStatus[], { fence }: ReplicatedVolumeSpec): ConditionDraft {
  const usable = said.some(({ node, disk, splitBrain: split }) => disk === 'UpToDate' && split !== true && !fence.outdated.includes(node));
  if (usable) return { type: 'Ready', status: 'True', reason: 'UpToDate', message: 'it can be used' };
  return { type: 'Ready', status: 'False', reason: 'NoUsableReplica', message: faultsOf(said) || 'its replicas are being made' };
}

function degraded(said: readonly ReplicaStatus[], { replicas, fence }: ReplicatedVolumeSpec): ConditionDraft {
  const lacking = said.filter(({ node, disk, connection }) => replicas.find((replica) => replica.node === node)?.diskless !== true && (disk !== 'UpToDate' || fence.outdated.includes(node) || (replicas.length > 1 && (connection === undefined || connection === 'WFConnection' || connection === 'StandAlone'))));
  if (lacking.length === 0) return { type: 'Degraded', status: 'False', reason: 'InSync', message: 'all replicas have the same' };
  return { type: 'Degraded', status: 'True', reason: 'ReplicaLacking', message: lacking.map(stateOf).join('; ') };
}

function splitBrain(id: string, said: readonly ReplicaStatus[], spec: ReplicatedVolumeSpec): ConditionDraft {
  if (!said.some((replica) => replica.splitBrain === true)) return { type: 'SplitBrain', status: 'False', reason: 'OneHistory', message: 'no two replicas have been changed without each other' };
  return { type: 'SplitBrain', status: 'True', reason: 'DecisionNeeded', message: decisionFor(id, spec) };
}

function stateOf({ node, disk = 'silent', connection, syncedPercent, message }: ReplicaStatus): string {
  return `${node} is ${[disk, connection].filter((word) => word !== undefined).join(', ')}${syncedPercent === undefined ? '' : ` (${syncedPercent} %)`}${message === undefined ? '' : `: ${message}`}`;
}

export function faultsOf(said: readonly ReplicaStatus[]): string {
  return said.flatMap(({ node, message }) => (message === undefined ? [] : [`${node}: ${message}`])).join('; ');
}
