import type { InTurn } from '../../in-turn.ts';
import { StorageError, type Fence, type NodeState, type Publishing, type Sharing } from '../../port.ts';
import { allowed, withdrawn, type Access } from './access.ts';
import { checked, nodeOf } from './ids.ts';
import type { Shelf } from './shelf.ts';
import type { Holder, Published, Site, VolumeRecord } from './site.ts';

export interface PublicationsOptions {
  readonly site: Site;
  readonly volumes: Shelf<VolumeRecord>;
  readonly inTurn: InTurn;
  /** What is known of a node by its name. */
  readonly stateOf: (node: string) => Promise<NodeState>;
}

/**
 * Which node has which volume, in the records of the volumes. Where the server is managed it serves a volume to the nodes
 * that have it, and to no others; where it is not, nothing keeps a node from what it has mounted.
 */
export class Publications implements Publishing {
  readonly #options: PublicationsOptions;

  constructor(options: PublicationsOptions) {
    this.#options = options;
  }

  publish(id: string, node: string, sharing: Sharing): Promise<void> {
    return this.#change(id, async (volume) => {
      const { holders = [], access } = volume ?? missing(id);
      const others = holders.filter((holder) => holder.node !== node);
      const inTheWay = others.filter((holder) => sharing === 'one node' || holder.sharing === 'one node');
      if (inTheWay.length > 0) throw new StorageError('VolumeInUse', `volume ${id} is published to node ${inTheWay.map((holder) => nodeOf(holder.node).name).join(', ')}, and node ${nodeOf(node).name} cannot have it as well`);
      return { holders: [...others, { node, sharing }], ...(access === undefined ? {} : { access: allowed(access, addressOf(node)) }) };
    });
  }

  async shutOut(id: string, node: string): Promise<Fence | undefined> {
    let fence: Fence | undefined;
    await this.#change(id, async (volume) => {
      const holder = volume?.holders?.find((one) => one.node === node);
      if (volume === undefined || holder === undefined) return undefined;
      const { name, address } = nodeOf(node);
      const state = await this.#options.stateOf(name);
      if (volume.access === undefined) {
        if (state === 'silent' && this.#options.site.keepsLostNodes === true) throw unfenced(id, name);
        return undefined;
      }
      const atMs = holder.shutOutAtMs ?? Date.now();
      if (state !== 'ready') fence = { atMs, how: `the NFS server serves it to ${address} no more` };
      return { holders: (volume.holders ?? []).map((one) => (one.node === node ? { ...one, shutOutAtMs: atMs } : one)), access: withdrawn(volume.access, addressOf(node)) };
    });
    return fence;
  }

  release(id: string, node: string): Promise<void> {
    return this.#change(id, async (volume) => (volume?.holders?.some((holder) => holder.node === node) === true ? { holders: volume.holders.filter((holder) => holder.node !== node) } : undefined));
  }

  async published(id?: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const { site, volumes } = this.#options;
    await site.ready();
    const all = id === undefined ? await volumes.list() : [await volumes.get(id)].filter((volume) => volume !== undefined);
    return new Map(all.flatMap((volume) => (volume.holders?.length ? [[volume.id, volume.holders.map(({ node }) => node)] as const] : [])));
  }

  /** Changes what is not as it was; the server knows of it afterwards. */
  #change(id: string, change: (volume: Published | undefined) => Promise<{ readonly holders: readonly Holder[]; readonly access?: Access } | undefined>): Promise<void> {
    const { inTurn, site, volumes } = this.#options;
    return inTurn.run(checked(id), async () => {
      await site.ready();
      const before = await volumes.get(id);
      const changed = await change(before);
      if (before === undefined || changed === undefined) return;
      const after = { ...before, ...changed };
      await volumes.rewrite(id, after);
      // What a client holds goes with an export, and nothing is exported to nobody.
      const isNobodys = after.access !== undefined && after.access.clients.length === 0;
      await (isNobodys ? site.conceal(id) : site.publish(after));
    });
  }
}

function addressOf(node: string): string {
  const { name, address } = nodeOf(node);
  if (address === undefined) throw new StorageError('InvalidRequest', `node ${name} has not said at which address the NFS server sees it: its driver is to be registered anew`);
  return address;
}

function missing(id: string): never {
  throw new StorageError('VolumeNotFound', `there is no volume ${id}`);
}

function unfenced(id: string, node: string): StorageError {
  return new StorageError('VolumeInUse', `node ${node} does not answer, and may still write to volume ${id}: the NFS server is not managed here, and cannot be told to refuse it. Make sure that the node is down, and delete its Node; or let go of such nodes at once with spec.nfs.lostNodes: Release in the StorageBackend`, { disposition: 'stalled' });
}
