import type { ReplicaStatus } from '../../../api/replicated-volume.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import type { InTurn } from '../../in-turn.ts';
import type { Facts } from './facts.ts';
import type { DrbdKernel } from './kernel.ts';
import type { KernelState } from './kernel-state.ts';
import type { Paces } from './paces.ts';
import type { LogicalVolumes } from './logical-volumes.ts';
import type { ResourceFiles } from './resource-files.ts';
import type { DrbdSettings } from './settings.ts';
import type { VolumeObjects } from './volume-objects.ts';

export type ReplicaSpec = ReplicatedVolume['spec']['replicas'][number];

/** What the parts of a driver on one node share. */
export interface ReplicaContext {
  readonly node: string;
  readonly hostname: string;
  /** For replication. */
  readonly address: () => Promise<string>;
  /** Of DRBD, such as 8. */
  readonly major: number;
  readonly settings: DrbdSettings;
  readonly objects: VolumeObjects;
  readonly kernel: DrbdKernel;
  readonly backing: LogicalVolumes;
  readonly files: ResourceFiles;
  readonly facts: Facts;
  readonly clock: Clock;
  readonly log: Log;
  /** One thing at a time for each volume, by its id. */
  readonly turns: InTurn;
  readonly paces: Paces;
}

/** A replica at one look: what is wanted of it, what the kernel has, and what is to be said of it. */
export interface Replica {
  readonly id: string;
  /** For DRBD and LVM. */
  readonly resource: string;
  readonly volume: ReplicatedVolume;
  readonly mine: ReplicaSpec;
  readonly minor: number;
  readonly port: number;
  /** Of other nodes, where they hold data. */
  readonly others: readonly ReplicaSpec[];
  state: KernelState | undefined;
  /** How long no other has been seen. */
  aloneMs: number;
  readonly said: { -readonly [K in keyof ReplicaStatus]: ReplicaStatus[K] };
}

/** One thing that has to be as it should. `wait`: the following ones cannot be done yet. */
export type ReplicaStep = (replica: Replica, context: ReplicaContext, signal: AbortSignal) => Promise<'wait' | void>;
