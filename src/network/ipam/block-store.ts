import { systemClock, type Clock } from '../../base/clock.ts';
import { isConflict, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { nameOfCidr, ipamBlocks, type BlockSpec, type IPAMBlock } from '../calico/kinds.ts';
import { KeyedLock } from '../keyed-lock.ts';
import { NetworkError } from '../port.ts';
import { nextSequenceNumber } from './block.ts';

/** What an edit of a block decided: with no block nothing is written. */
export interface BlockEdit<R> {
  readonly block?: BlockSpec;
  readonly result: R;
}

const MAX_TRIES = 100;

/**
 * Blocks with compare-and-swap. The last version seen of each is kept, so that an edit costs one write; a stale
 * version shows as a conflict and is read again. Edits of one block within this process queue up.
 */
export class BlockStore {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #seen = new Map<string, IPAMBlock>();
  readonly #lock = new KeyedLock();

  constructor(client: KubeClient, clock: Clock = systemClock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The block as it is now in the API; undefined when there is none. */
  async read(cidr: string, signal?: AbortSignal): Promise<IPAMBlock | undefined> {
    try {
      const block = await this.#client.get(ipamBlocks, { name: nameOfCidr(cidr) }, signal);
      if (block.spec.deleted === true) {
        this.#seen.delete(cidr);
        return undefined;
      }
      this.#seen.set(cidr, block);
      return block;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#seen.delete(cidr);
      return undefined;
    }
  }

  /** The last version seen, else the current one. */
  async recent(cidr: string, signal?: AbortSignal): Promise<IPAMBlock | undefined> {
    return this.#seen.get(cidr) ?? this.read(cidr, signal);
  }

  async listAll(signal?: AbortSignal): Promise<readonly IPAMBlock[]> {
    const { items } = await this.#client.listAll(ipamBlocks, signal === undefined ? {} : { signal });
    return items.filter((block) => block.spec.deleted !== true);
  }

  /** Undefined when a block of this CIDR exists already. */
  async create(spec: BlockSpec, signal?: AbortSignal): Promise<IPAMBlock> {
    const block = await this.#client.create(ipamBlocks, {
      apiVersion: 'crd.projectcalico.org/v1',
      kind: 'IPAMBlock',
      metadata: { name: nameOfCidr(spec.cidr) },
      spec,
    }, signal === undefined ? {} : { signal });
    this.#seen.set(spec.cidr, block);
    return block;
  }

  /**
   * Applies `edit` until its write goes through. A refusal on a remembered version is checked on a fresh one.
   * Returns undefined when the block does not exist. Throws DatastoreConflict after 100 lost races.
   */
  edit<R>(cidr: string, edit: (block: BlockSpec) => BlockEdit<R>, signal?: AbortSignal): Promise<R | undefined> {
    return this.#lock.run(cidr, () => this.#edit(cidr, edit, signal));
  }

  /** Removes exactly this version of the block; false when it changed or is gone. */
  remove(block: IPAMBlock, signal?: AbortSignal): Promise<boolean> {
    const { cidr } = block.spec;
    return this.#lock.run(cidr, async () => {
      this.#seen.delete(cidr);
      try {
        const { uid, resourceVersion } = block.metadata;
        await this.#client.delete(ipamBlocks, { name: nameOfCidr(cidr) }, {
          preconditions: { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) },
          ...(signal === undefined ? {} : { signal }),
        });
        return true;
      } catch (error) {
        if (isNotFound(error) || isConflict(error)) return false;
        throw error;
      }
    });
  }

  async #edit<R>(cidr: string, edit: (block: BlockSpec) => BlockEdit<R>, signal?: AbortSignal): Promise<R | undefined> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (tries > 2) await this.#clock.sleep(Math.random() * Math.min(tries * 5, 100), signal);
      const remembered = this.#seen.get(cidr);
      const current = remembered ?? (await this.read(cidr, signal));
      if (current === undefined) return undefined;
      const { block, result } = edit(current.spec);
      if (block === undefined) {
        if (remembered === undefined) return result;
        this.#seen.delete(cidr);
        continue;
      }
      const written = { ...current, spec: { ...block, sequenceNumber: nextSequenceNumber(block.sequenceNumber) } };
      this.#seen.delete(cidr);
      try {
        this.#seen.set(cidr, await this.#client.update(ipamBlocks, written, signal === undefined ? {} : { signal }));
        return result;
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) throw error;
      }
    }
    throw new NetworkError('DatastoreConflict', `block ${cidr} was changed by others ${MAX_TRIES} times in a row; trying again later`);
  }
}
