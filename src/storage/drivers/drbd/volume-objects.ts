import { isDeepStrictEqual } from 'node:util';
import type { ReplicaStatus } from '../../../api/replicated-volume.ts';
import { isConflict, isNotFound } from '../../../kube/api-error.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { mergeConditions, type ConditionDraft } from '../../../kube/conditions.ts';
import { replicatedVolumes, storageBackends, type ReplicatedVolume } from '../../../kube/yadokari.ts';
import { messageOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';
import type { NodeReport } from './placement.ts';

const TRIES = 20;

/** The volumes of one StorageBackend in the API, which is where all that is true of them is kept. Rejects with BackendUnreachable when the API does not answer. */
export class VolumeObjects {
  readonly #client: KubeClient;
  readonly backend: string;

  constructor(client: KubeClient, backend: string) {
    this.#client = client;
    this.backend = backend;
  }

  async get(id: string, signal?: AbortSignal): Promise<ReplicatedVolume | undefined> {
    const found = await this.#asked(() => this.#client.get(replicatedVolumes, { name: id }, signal).catch(nothing));
    return found?.spec.backend === this.backend ? found : undefined;
  }

  /** Whether there is one, of whatever backend. */
  async exists(id: string): Promise<boolean> {
    return await this.#asked(() => this.#client.get(replicatedVolumes, { name: id }).catch(nothing)) !== undefined;
  }

  async list(signal?: AbortSignal): Promise<readonly ReplicatedVolume[]> {
    const { items } = await this.#asked(() => this.#client.listAll(replicatedVolumes, signal === undefined ? {} : { signal }));
    return items.filter(({ spec }) => spec.backend === this.backend);
  }

  /** Rejects with what the API says, where there is one already. */
  create(volume: ReplicatedVolume): Promise<ReplicatedVolume> {
    return this.#client.create(replicatedVolumes, volume);
  }

  async delete(id: string): Promise<void> {
    await this.#asked(() => this.#client.delete(replicatedVolumes, { name: id }).catch(nothing));
  }

  /**
   * Changes what is stored now, and nothing that somebody else has changed meanwhile: `change` is asked again, with
   * that. It returns undefined to leave it. Resolves to what is stored then; to undefined where there is none.
   */
  async change(id: string, change: (volume: ReplicatedVolume) => ReplicatedVolume | undefined, signal?: AbortSignal): Promise<ReplicatedVolume | undefined> {
    for (let tries = 1; ; tries += 1) {
      const known = await this.get(id, signal);
      const wanted = known === undefined ? undefined : change(known);
      if (wanted === undefined) return known;
      try {
        return await this.#asked(() => this.#client.update(replicatedVolumes, wanted, signal === undefined ? {} : { signal }));
      } catch (error) {
        const cause = (error as Error).cause ?? error;
        if (isNotFound(cause)) return undefined;
        if (!isConflict(cause) || tries === TRIES) throw error;
      }
    }
  }

  /** What one node says of its replica. */
  async report(id: string, replica: ReplicaStatus): Promise<void> {
    await this.#applyStatus(id, { replicas: [replica] }, `yadokari-drbd-${replica.node}`);
  }

  /** Takes back what a node has said that has no replica any more. */
  async forget(id: string, node: string): Promise<void> {
    await this.#applyStatus(id, {}, `yadokari-drbd-${node}`);
  }

  async conclude(volume: ReplicatedVolume, drafts: readonly ConditionDraft[], nowMs: number): Promise<void> {
    const before = volume.status?.conditions;
    const conditions = mergeConditions(before, drafts, nowMs);
    const plain = (all: typeof conditions) => all.map(({ type, status, reason, message }) => ({ type, status, reason, message }));
    if (before !== undefined && isDeepStrictEqual(plain(before.toSorted(byType)), plain(conditions.toSorted(byType)))) return;
    await this.#applyStatus(volume.metadata.name, { conditions }, 'yadokari-drbd');
  }

  /** What the nodes say of themselves. */
  async nodes(signal?: AbortSignal): Promise<readonly NodeReport[]> {
    const found = await this.#asked(() => this.#client.get(storageBackends, { name: this.backend }, signal));
    return found.status?.places ?? [];
  }

  async reportNode(report: NodeReport, signal?: AbortSignal): Promise<void> {
    await this.#client.apply(storageBackends, { metadata: { name: this.backend }, status: { places: [report] } }, { fieldManager: `yadokari-drbd-${report.node}`, subresource: 'status', ...(signal === undefined ? {} : { signal }) });
  }

  async #applyStatus(name: string, status: object, fieldManager: string): Promise<void> {
    await this.#asked(() => this.#client.apply(replicatedVolumes, { metadata: { name }, status }, { fieldManager, subresource: 'status' }));
  }

  async #asked<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw new StorageError('BackendUnreachable', messageOf(error), { cause: error });
    }
  }
}

function byType(a: { readonly type: string }, b: { readonly type: string }): number {
  return a.type.localeCompare(b.type);
}

function nothing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
