import type { DiskSpec } from '../../api/virtual-machine.ts';
import type { ConditionDraft } from '../../kube/conditions.ts';
import type { Power } from './server-words.ts';

/** What became of the machine's power in a round of mode Manage. */
export interface PowerOutcome {
  readonly runStrategy: Power;
  readonly synced?: Power | undefined;
  readonly requested?: { readonly runStrategy: Power; readonly sinceMs: number } | undefined;
  readonly restartedAt?: string | undefined;
  readonly condition: ConditionDraft;
}

/** A resize that the cloud has taken up; `confirmed` once it was asked to keep the new size. */
export interface RequestedSize {
  readonly instanceType: string;
  readonly sinceMs: number;
  readonly confirmed: boolean;
}

/** What its size is from now on, and what both sides had last. */
export interface SizeOutcome {
  readonly instanceType: string | undefined;
  readonly synced: string | undefined;
  readonly requested?: RequestedSize | undefined;
}

/** A disk of a machine of a provider: there is no more to it. */
export type VolumeDisk = Pick<DiskSpec, 'name' | 'persistentVolumeClaim'> & { readonly persistentVolumeClaim: string };

/** What the cloud was asked to do with a volume, and has not done yet. */
export interface RequestedVolume {
  readonly id: string;
  readonly attached: boolean;
  readonly sinceMs: number;
}

/** What its disks are from now on, and the ids of volumes that both sides had last: undefined where volumes are not shown. */
export interface DisksOutcome {
  readonly disks: readonly VolumeDisk[];
  readonly synced: readonly string[] | undefined;
  readonly requested?: readonly RequestedVolume[];
}

/** What became of all of the machine that is written here too. */
export interface ServerOutcome extends PowerOutcome {
  readonly size: SizeOutcome;
  readonly disks: DisksOutcome;
}
