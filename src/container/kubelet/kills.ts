import type { ObservedContainer } from './observation.ts';
import type { ContainerSpec } from './pod.ts';

/** What probes have found out about a container; undefined while nothing holds. */
export interface ProbeVerdicts {
  liveness(id: string): boolean | undefined;
  startup(id: string): boolean | undefined;
}

export type KillReason = 'liveness' | 'startup' | 'other';

export interface ContainerKill {
  readonly container: ObservedContainer;
  readonly spec: ContainerSpec;
  /** For the event. */
  readonly message: string;
  readonly reason: KillReason;
}
