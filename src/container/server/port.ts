import type { Cri } from '../cri.ts';
import type { GuestLink } from '../link/port.ts';
import type { PodManifest } from '../kubelet/pod.ts';

/** Who asks, as the API server knows them. */
export interface Caller {
  readonly username: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** How the API server is asked who a caller is and what they may do. */
export interface Reviewer {
  /** Who has this bearer token; undefined when nobody. */
  authenticate(token: string, signal?: AbortSignal): Promise<Caller | undefined>;
  /** Whether the caller may use this subresource of the node. */
  authorize(caller: Caller, verb: string, subresource: string, signal?: AbortSignal): Promise<boolean>;
}

/** The node that a kubelet's server speaks for. */
export interface ServedNode {
  readonly node: string;
  readonly cri: Cri;
  readonly link: Pick<GuestLink, 'dial' | 'files' | 'pressure'>;
  pods(): readonly PodManifest[];
  pod(namespace: string, name: string): PodManifest | undefined;
}
