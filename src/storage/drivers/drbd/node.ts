import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { StorageError, type Attachment, type NodeVolumes, type VolumeReference } from '../../port.ts';
import { shutOthersOut } from './fence-steps.ts';
import { resourceOf } from './ids.ts';
import type { LoneTimes } from './lone-times.ts';
import type { NodeNumbers } from './numbers.ts';
import { promotionOf } from './promotion.ts';
import type { ReplicaContext } from './replica.ts';

export interface DrbdNodeOptions {
  readonly context: ReplicaContext;
  readonly numbers: NodeNumbers;
  readonly loneTimes: LoneTimes;
  /** Volumes as they were known last, whether or not the API answers. */
  readonly volumes: () => readonly ReplicatedVolume[];
  /** Lets the loop look at a volume now. */
  readonly look: (id: string) => void;
}

const PATIENCE_MS = 45_000;
const AGAIN_MS = 500;

/** Replicated volumes as devices of a node that has a replica. */
export class DrbdNodeVolumes implements NodeVolumes {
  readonly #options: DrbdNodeOptions;
  readonly #clock: Clock;

  constructor(options: DrbdNodeOptions) {
    this.#options = options;
    this.#clock = options.context.clock;
  }

  async attach({ id }: VolumeReference, signal?: AbortSignal): Promise<Attachment> {
    const { context, look } = this.#options;
    for (const giveUpAt = this.#clock.now() + PATIENCE_MS; ; await this.#clock.sleep(AGAIN_MS, signal)) {
      const outcome = await context.turns.run(id, () => this.#promote(id, signal));
      if ('device' in outcome) return { kind: 'device', path: outcome.device };
      look(id);
      if (this.#clock.now() > giveUpAt) throw new StorageError('BackendUnreachable', `volume ${id} on node ${context.node}: ${outcome.why}`, { disposition: 'wait' });
    }
  }

  async detach(id: string, signal?: AbortSignal): Promise<void> {
    const { context, numbers, look, volumes } = this.#options;
    const resource = resourceOf(id);
    await context.turns.run(id, async () => {
      const volume = volumes().find(({ metadata }) => metadata.name === id) ?? await context.objects.get(id, signal);
      const minor = volume === undefined ? undefined : numbers.of(volume)?.minor;
      const state = minor === undefined ? undefined : await context.kernel.state(minor);
      if (state?.role !== 'Primary') return;
      await context.kernel.admin(['secondary', resource], signal).catch((error: unknown) => {
        throw new StorageError('VolumeInUse', `volume ${id} is still open on node ${context.node}`, { cause: error, disposition: 'wait' });
      });
    });
    look(id);
  }

  async attached(): Promise<readonly string[]> {
    const { context, numbers, volumes } = this.#options;
    const states = await context.kernel.states();
    return volumes().filter((volume) => states.get(numbers.of(volume)?.minor ?? -1)?.role === 'Primary').map(({ metadata }) => metadata.name);
  }

  async lacking(): Promise<string | undefined> {
    return this.#options.context.kernel.version().then(() => undefined, messageOf);
  }

  async refresh({ id }: VolumeReference, sizeBytes: number, signal?: AbortSignal): Promise<void> {
    const { context, numbers, look } = this.#options;
    for (const giveUpAt = this.#clock.now() + PATIENCE_MS; ; await this.#clock.sleep(AGAIN_MS, signal)) {
      const { minor } = numbers.of(await this.#existing(id, signal)) ?? { minor: -1 };
      if (await context.kernel.sizeOf(minor) >= sizeBytes) return;
      look(id);
      if (this.#clock.now() > giveUpAt) throw new StorageError('BackendUnreachable', `volume ${id} has not grown yet: all its nodes have to be there for that`, { disposition: 'wait' });
    }
  }

  /** The device, once this node may write to it; or why not yet. Rejects where waiting is of no use. */
  async #promote(id: string, signal: AbortSignal | undefined): Promise<{ readonly device: string } | { readonly why: string }> {
    const { context, numbers, loneTimes } = this.#options;
    const { node, kernel, facts } = context;
    const resource = resourceOf(id);
    const volume = await this.#existing(id, signal);
    const minor = numbers.of(volume)?.minor;
    const state = minor === undefined ? undefined : await kernel.state(minor);
    const splitBrain = facts.has(resource, 'split-brain') || volume.status?.replicas?.some((replica) => replica.splitBrain === true) === true;
    const promotion = promotionOf({ id, node, spec: volume.spec, status: volume.status, state, splitBrain, aloneMs: loneTimes.see(id, state) });
    const device = `/dev/drbd${minor}`;
    switch (promotion.kind) {
      case 'done':
        return { device };
      case 'wait':
        return { why: promotion.why };
      case 'refuse':
        throw new StorageError('NotAttached', `volume ${id} is not attached on node ${node}: ${promotion.why}`, { disposition: 'stalled' });
      case 'fence': {
        const others = volume.spec.replicas.filter((replica) => promotion.others.includes(replica.node));
        if (!(await shutOthersOut({ id, resource, others }, context, signal))) return { why: `${promotion.others.join(' and ')} was faster, and writes to it` };
        break;
      }
      case 'promote':
        if (state?.peerDisk !== 'UpToDate' && volume.spec.fence.outdated.length > 0) await facts.set(resource, 'fenced');
    }
    await kernel.admin(['primary', resource], signal);
    return { device };
  }

  async #existing(id: string, signal: AbortSignal | undefined): Promise<ReplicatedVolume> {
    const { context } = this.#options;
    resourceOf(id);
    const volume = await context.objects.get(id, signal);
    if (volume === undefined || volume.metadata.deletionTimestamp !== undefined) throw new StorageError('VolumeNotFound', `there is no volume ${id}`);
    if (!volume.spec.replicas.some((replica) => replica.node === context.node && replica.diskless !== true)) throw new StorageError('VolumeNotFound', `volume ${id} has no replica on node ${context.node}; it is on ${volume.spec.replicas.map((replica) => replica.node).join(', ')}`);
    return volume;
  }
}
