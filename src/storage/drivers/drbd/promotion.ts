import type { ReplicatedVolumeSpec, ReplicatedVolumeStatus } from '../../../api/replicated-volume.ts';
import { isConnected, type KernelState } from './kernel-state.ts';

/** What a node that is to write to a volume has to do first. */
export type Promotion =
  | { readonly kind: 'done' }
  | { readonly kind: 'promote' }
  /** The others are to be shut out in the API before. */
  | { readonly kind: 'fence'; readonly others: readonly string[] }
  /** Something that passes by itself. */
  | { readonly kind: 'wait'; readonly why: string }
  /** It would be a second writer, or one that lacks what was written. */
  | { readonly kind: 'refuse'; readonly why: string };

export interface PromotionSituation {
  readonly id: string;
  readonly node: string;
  readonly spec: ReplicatedVolumeSpec;
  readonly status: ReplicatedVolumeStatus | undefined;
  /** Undefined: not known to the kernel yet. */
  readonly state: KernelState | undefined;
  readonly splitBrain: boolean;
  /** How long this node has seen no other. */
  readonly aloneMs: number;
}

/** Who writes, or wrote last, is given this long to shut the others out by itself; after a start nodes have this long to find each other. */
const HEAD_START_MS = 12_000;
const FIND_MS = 5000;

export function promotionOf(situation: PromotionSituation): Promotion {
  const { id, node, spec, state, splitBrain, aloneMs } = situation;
  if (state === undefined) return { kind: 'wait', why: 'the replica is not up yet' };
  if (state.role === 'Primary' && spec.fence.outdated.includes(node)) return { kind: 'refuse', why: `another node was let write to it meanwhile: it is attached to ${node} again once nobody there uses it any more` };
  if (state.role === 'Primary') return state.suspended ? { kind: 'wait', why: 'reads and writes wait until it is decided who may write' } : { kind: 'done' };
  if (splitBrain) return { kind: 'refuse', why: decisionFor(id, spec) };
  const others = spec.replicas.filter((replica) => replica.node !== node && replica.diskless !== true).map((replica) => replica.node);
  const connected = isConnected(state);
  if (spec.fence.outdated.includes(node)) {
    if (connected) return { kind: 'wait', why: `what was written elsewhere is being copied to ${node}${state.syncedPercent === undefined ? '' : `, ${state.syncedPercent} % of it is there`}` };
    const newer = others.filter((other) => !spec.fence.outdated.includes(other));
    return { kind: 'refuse', why: `${newer.join(' and ')} has what ${node} lacks, and is not to be reached. It goes on when that is back; or, to lose what was written there alone: ${discardCommand(id, newer[0] ?? '')}` };
  }
  if (state.disk === 'Diskless' || state.disk === 'Failed') return { kind: 'refuse', why: `the disk of ${node} has failed` };
  if (connected) {
    if (state.peerRole === 'Primary') return { kind: 'refuse', why: `${others.join(' or ')} writes to it` };
    return state.disk === 'UpToDate' ? { kind: 'promote' } : { kind: 'wait', why: `the data of ${node} are ${state.disk}` };
  }
  if (state.disk !== 'UpToDate' && state.disk !== 'Consistent') return { kind: 'refuse', why: `the data of ${node} are ${state.disk}, and no other is to be reached` };
  if (others.every((other) => spec.fence.outdated.includes(other))) return { kind: 'promote' };
  const writing = situation.status?.replicas?.some((replica) => replica.node !== node && replica.role === 'Primary') === true;
  if (aloneMs < (writing ? HEAD_START_MS : FIND_MS)) return { kind: 'wait', why: `${others.join(' and ')} is not to be reached yet` };
  return { kind: 'fence', others };
}

export function discardCommand(id: string, node: string): string {
  return `kubectl patch replicatedvolume ${id} --type=merge -p '{"spec":{"discard":"${node}"}}'`;
}

/** What a person may type where several nodes have changed what they had. */
export function decisionFor(id: string, { replicas }: Pick<ReplicatedVolumeSpec, 'replicas'>): string {
  const choices = replicas.filter(({ diskless }) => diskless !== true).map(({ node }) => `to give up what was written on ${node}: ${discardCommand(id, node)}`);
  return `several nodes have changed the volume without each other, and nothing is given up by itself. Look at each copy, then choose; ${choices.join('; or ')}`;
}
