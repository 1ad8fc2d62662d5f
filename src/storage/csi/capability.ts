import type { BackendFeatures, Sharing } from '../port.ts';
import type { Message } from './server.ts';
import { invalid } from './status.ts';

/** How somebody wants to use a volume. */
export interface Capability {
  readonly kind: 'block' | 'filesystem';
  readonly sharing: Sharing;
  readonly fsType: string;
  readonly mountFlags: readonly string[];
}

const SHARING: Readonly<Record<string, Sharing>> = {
  SINGLE_NODE_WRITER: 'one node', SINGLE_NODE_READER_ONLY: 'one node', SINGLE_NODE_SINGLE_WRITER: 'one node', SINGLE_NODE_MULTI_WRITER: 'one node',
  MULTI_NODE_READER_ONLY: 'many nodes, reading', MULTI_NODE_SINGLE_WRITER: 'many nodes', MULTI_NODE_MULTI_WRITER: 'many nodes',
};

/** A csi.v1.VolumeCapability. Throws INVALID_ARGUMENT for one that says nothing. */
export function capabilityOf(given: Message | null | undefined): Capability {
  if (given === null || given === undefined) throw invalid('volume_capability is required');
  const mode = String(given['accessMode']?.mode ?? 'UNKNOWN');
  const sharing = SHARING[mode];
  if (sharing === undefined) throw invalid(`volume_capability.access_mode is ${mode}; known are ${Object.keys(SHARING).join(', ')}`);
  if (given['block'] !== null) return { kind: 'block', sharing, fsType: '', mountFlags: [] };
  if (given['mount'] === null) throw invalid('volume_capability says neither block nor mount');
  return { kind: 'filesystem', sharing, fsType: given['mount'].fsType, mountFlags: given['mount'].mountFlags };
}

/** All of them, of which there must be one. */
export function capabilitiesOf(given: readonly Message[]): readonly Capability[] {
  if (given.length === 0) throw invalid('volume_capabilities are required');
  return given.map(capabilityOf);
}

/** Why a backend cannot do this; undefined when it can. */
export function objectionTo({ kind, sharing, fsType }: Capability, { sharing: offered }: BackendFeatures, fsTypes: readonly string[]): string | undefined {
  if (!offered[kind].includes(sharing)) return `a ${kind} volume of this kind is not for ${sharing}; it is for ${offered[kind].join(' or ') || 'nobody'}`;
  if (kind === 'filesystem' && fsType !== '' && !fsTypes.includes(fsType)) return `the file system ${fsType} is not offered; ${fsTypes.join(' and ')} are`;
  return undefined;
}
