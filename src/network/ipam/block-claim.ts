import { createHash } from 'node:crypto';
import { systemClock, type Clock } from '../../base/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { formatCidr, liesWithin, sizeOf } from '../address.ts';
import { blockAffinities, nameOfAffinity, type BlockAffinity, type IPAMBlock } from '../calico/kinds.ts';
import { affinityOf, isEmpty, newBlock } from './block.ts';
import type { BlockStore } from './block-store.ts';
import type { Pool } from './settings.ts';

/** An empty block of another node may be taken once it is this old. */
const RECLAIM_AFTER_MS = 60_000;

/**
 * Which blocks are a node's. A claim is three writes, pending affinity, block, confirmed affinity, so that a crash
 * anywhere leaves something that the next claim of either side completes or takes back.
 */
export class BlockClaims {
  readonly #client: KubeClient;
  readonly #blocks: BlockStore;
  readonly #clock: Clock;

  constructor(client: KubeClient, blocks: BlockStore, clock: Clock = systemClock) {
    this.#client = client;
    this.#blocks = blocks;
    this.#clock = clock;
  }

  async affinitiesOf(node: string, signal?: AbortSignal): Promise<readonly BlockAffinity[]> {
    return (await this.#affinities(signal)).filter((item) => item.spec.node === node);
  }

  /** Names of all nodes with affinities. */
  async nodes(signal?: AbortSignal): Promise<readonly string[]> {
    return [...new Set((await this.#affinities(signal)).map((item) => item.spec.node))];
  }

  async #affinities(signal?: AbortSignal): Promise<readonly BlockAffinity[]> {
    const { items } = await this.#client.listAll(blockAffinities, signal === undefined ? {} : { signal });
    return items.filter((item) => item.spec.deleted !== 'true' && (item.spec.type ?? 'host') === 'host');
  }

  /** Makes the block the node's if it is nobody's. Returns the block, whosever it is; undefined when it vanished meanwhile. */
  async claim(cidr: string, node: string, signal?: AbortSignal): Promise<IPAMBlock | undefined> {
    const affinity = await this.#pending(cidr, node, signal);
    let block: IPAMBlock | undefined;
    try {
      block = await this.#blocks.create(newBlock(cidr, node, this.#clock.now()), signal);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      block = await this.#blocks.read(cidr, signal);
    }
    if (block?.spec.affinity !== affinityOf(node)) {
      await this.#remove(affinity, signal);
      return block;
    }
    if (affinity.spec.state !== 'confirmed') await this.#write({ ...affinity, spec: { ...affinity.spec, state: 'confirmed' } }, signal);
    return block;
  }

  /** Gives an empty block back; false when it is in use or changed meanwhile. */
  async release(block: IPAMBlock, signal?: AbortSignal): Promise<boolean> {
    if (!isEmpty(block.spec)) return false;
    const node = block.spec.affinity?.replace(/^host:/, '') ?? '';
    const affinity = await this.#read(nameOfAffinity(node, block.spec.cidr), signal);
    const marked = affinity === undefined ? undefined : await this.#write({ ...affinity, spec: { ...affinity.spec, state: 'pendingDeletion' } }, signal);
    const removed = await this.#blocks.remove(block, signal);
    if (marked === undefined) return removed;
    if (removed) await this.#remove(marked, signal);
    else await this.#write({ ...marked, spec: { ...marked.spec, state: 'confirmed' } }, signal).catch(() => {});
    return removed;
  }

  /** An empty block of another node, old enough and in one of the pools, taken from it; its CIDR is free then. */
  async reclaim(node: string, pools: readonly Pool[], blocks: readonly IPAMBlock[], signal?: AbortSignal): Promise<string | undefined> {
    const before = this.#clock.now() - RECLAIM_AFTER_MS;
    for (const block of blocks) {
      const claimedAt = Date.parse(block.spec.affinityClaimTime ?? block.metadata.creationTimestamp ?? '');
      const foreign = block.spec.affinity !== affinityOf(node) && isEmpty(block.spec) && claimedAt < before;
      if (foreign && pools.some((pool) => liesWithin(block.spec.cidr, formatCidr(pool.cidr))) && (await this.release(block, signal))) return block.spec.cidr;
    }
    return undefined;
  }

  async #pending(cidr: string, node: string, signal?: AbortSignal): Promise<BlockAffinity> {
    const name = nameOfAffinity(node, cidr);
    for (;;) {
      try {
        return await this.#client.create(blockAffinities, {
          apiVersion: 'crd.projectcalico.org/v1',
          kind: 'BlockAffinity',
          metadata: { name },
          spec: { cidr, node, type: 'host', state: 'pending', deleted: 'false' },
        }, signal === undefined ? {} : { signal });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
      const existing = await this.#read(name, signal);
      if (existing === undefined) continue;
      if (existing.spec.state === 'confirmed' && existing.spec.deleted !== 'true') return existing;
      const pending = await this.#write({ ...existing, spec: { ...existing.spec, state: 'pending', deleted: 'false' } }, signal);
      if (pending !== undefined) return pending;
    }
  }

  async #read(name: string, signal?: AbortSignal): Promise<BlockAffinity | undefined> {
    try {
      return await this.#client.get(blockAffinities, { name }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Undefined when somebody else wrote or removed it. */
  async #write(affinity: BlockAffinity, signal?: AbortSignal): Promise<BlockAffinity | undefined> {
    try {
      return await this.#client.update(blockAffinities, affinity, signal === undefined ? {} : { signal });
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #remove(affinity: BlockAffinity, signal?: AbortSignal): Promise<void> {
    const { name, resourceVersion } = affinity.metadata;
    const preconditions = resourceVersion === undefined ? {} : { resourceVersion };
    try {
      await this.#client.delete(blockAffinities, { name }, { preconditions, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

/** The CIDRs of a pool's blocks, from a place of the node's own, so that nodes seldom meet. */
export function* blockCidrsOf(pool: Pool, node: string): Generator<string> {
  const count = 2 ** (pool.blockSize - pool.cidr.prefix);
  const size = sizeOf({ base: 0, prefix: pool.blockSize });
  const start = createHash('sha256').update(node).digest().readUInt32BE(0) % count;
  for (let step = 0; step < count; step++) {
    yield formatCidr({ base: pool.cidr.base + ((start + step) % count) * size, prefix: pool.blockSize });
  }
}
