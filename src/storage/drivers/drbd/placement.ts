import type { StorageBackendStatus } from '../../../api/storage-backend.ts';
import { StorageError } from '../../port.ts';

export type NodeReport = NonNullable<StorageBackendStatus['places']>[number];

export interface PlacementRequest {
  readonly nodes: readonly NodeReport[];
  readonly replicas: number;
  /** On each node. */
  readonly bytes: number;
  /** Nodes that it may be reached from; undefined: any. */
  readonly allowed?: readonly string[];
  /** The best first: one of the replicas is on the first of them that can. */
  readonly preferred: readonly string[];
  readonly nowMs: number;
}

/** A node that has said nothing for longer than this takes no new volumes. */
const SILENT_MS = 180_000;

/** Why a node takes none; undefined when it does. */
function objectionTo({ node: name, lacking, time, availableBytes = 0 }: NodeReport, { bytes, nowMs }: Pick<PlacementRequest, 'bytes' | 'nowMs'>): string | undefined {
  if (lacking !== undefined) return `${name}: ${lacking}`;
  if (time === undefined || nowMs - Date.parse(time) > SILENT_MS) return `${name} is silent`;
  return availableBytes < bytes ? `${name} has ${availableBytes} bytes left` : undefined;
}

/**
 * The nodes of a new volume: one that whoever uses it prefers, then those of other zones, then those with the most
 * room. Rejects with NoSpace, saying what each node lacks.
 */
export function place(request: PlacementRequest): readonly string[] {
  const { replicas, preferred, allowed } = request;
  const rankOf = ({ node: name }: NodeReport): number => (preferred.includes(name) ? preferred.indexOf(name) : preferred.length);
  const able = request.nodes.filter((node) => objectionTo(node, request) === undefined);
  const byRoom = able.toSorted((a, b) => (b.availableBytes ?? 0) - (a.availableBytes ?? 0) || a.node.localeCompare(b.node));
  const first = byRoom.filter(({ node }) => allowed === undefined || allowed.includes(node)).toSorted((a, b) => rankOf(a) - rankOf(b))[0];
  if (first === undefined || able.length < replicas) {
    const why = request.nodes.map((node) => objectionTo(node, request)).filter((text) => text !== undefined).join('; ');
    throw new StorageError('NoSpace', `${replicas} nodes with ${request.bytes} bytes are wanted, and ${able.length} can be had${allowed === undefined ? '' : `, one of them to be among ${allowed.join(', ')}`}${why === '' ? '' : `: ${why}`}`);
  }
  const chosen = [first];
  while (chosen.length < replicas) {
    const left = byRoom.filter((node) => !chosen.includes(node));
    const zones = new Set(chosen.map(({ zone }) => zone));
    const next = left.find(({ zone }) => zone !== undefined && !zones.has(zone)) ?? left[0];
    if (next === undefined) break;
    chosen.push(next);
  }
  return chosen.map(({ node }) => node);
}

/** What the largest volume may have. */
export function roomFor(nodes: readonly NodeReport[], replicas: number, nowMs: number): number {
  const able = nodes.filter((node) => objectionTo(node, { bytes: 0, nowMs }) === undefined);
  return able.map(({ availableBytes = 0 }) => availableBytes).sort((a, b) => b - a)[replicas - 1] ?? 0;
}
