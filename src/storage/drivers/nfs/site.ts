import type { Sharing, VolumeSource } from '../../port.ts';
import type { Access } from './access.ts';
import type { Ground } from './ground.ts';

/** What is kept of a volume, beside it. */
export interface VolumeRecord {
  readonly name: string;
  readonly sizeBytes: number;
  readonly source?: VolumeSource;
  /** Only where the exports are ours. */
  readonly access?: Access;
  readonly holders?: readonly Holder[];
}

/** A node that has the volume. */
export interface Holder {
  /** Its id. */
  readonly node: string;
  readonly sharing: Sharing;
  /** Since when it is served no more. */
  readonly shutOutAtMs?: number;
}

export interface SnapshotRecord {
  readonly name: string;
  readonly volume: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

export interface Published extends VolumeRecord {
  readonly id: string;
}

/** Where the trees of volumes lie, and how nodes get at them. */
export interface Site {
  /** The ground as far as it is known; it is not before the folder was there once. */
  readonly ground: Ground | undefined;
  /** Rejects with BackendUnreachable when nothing can be made now. */
  probe(signal?: AbortSignal): Promise<void>;
  /** The folder can be worked in. Rejects with BackendUnreachable when it cannot. */
  ready(signal?: AbortSignal): Promise<Ground>;
  /** What the record of a new volume says of who may mount it; asked for one volume at a time. */
  access?(id: string, others: readonly VolumeRecord[]): Access;
  /** Nodes can mount the volume by now. */
  publish(volume: Published): Promise<void>;
  /** Whether what lost nodes have is kept for them: where nobody can keep them from it. */
  readonly keepsLostNodes?: boolean;
  /** Nobody is served it by now, and nobody holds anything in it. */
  conceal(id: string): Promise<void>;
  /** No node reaches it by now. */
  withdraw(id: string): Promise<void>;
  /** The volume is gone. */
  forget(id: string): void;
  close(): Promise<void>;
}
