import { isAlreadyExists, isConflict, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ipamHandles, type IPAMHandle } from '../calico/kinds.ts';

/** Handles with compare-and-swap. A handle lists every block that may hold an address of it. */
export class HandleStore {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async read(handle: string, signal?: AbortSignal): Promise<IPAMHandle | undefined> {
    try {
      return await this.#client.get(ipamHandles, { name: nameOf(handle) }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Writes that the block may hold an address of the handle; undefined when somebody else wrote the handle meanwhile. */
  async add(handle: string, cidr: string, existing: IPAMHandle | undefined, signal?: AbortSignal): Promise<IPAMHandle | undefined> {
    const options = signal === undefined ? {} : { signal };
    try {
      if (existing === undefined) {
        return await this.#client.create(ipamHandles, {
          apiVersion: 'crd.projectcalico.org/v1',
          kind: 'IPAMHandle',
          metadata: { name: nameOf(handle) },
          spec: { handleID: handle, block: { [cidr]: 1 }, deleted: false },
        }, options);
      }
      const block = existing.spec.deleted === true ? {} : existing.spec.block;
      // Counting up, even over a count that a crash left behind, makes every writer's version differ.
      return await this.#client.update(ipamHandles, { ...existing, spec: { ...existing.spec, deleted: false, block: { ...block, [cidr]: (block[cidr] ?? 0) + 1 } } }, options);
    } catch (error) {
      if (isAlreadyExists(error) || isConflict(error) || isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Takes the block off the handle again; the handle goes with its last block. False when somebody else wrote it meanwhile. */
  async drop(existing: IPAMHandle, cidr: string, signal?: AbortSignal): Promise<boolean> {
    const { [cidr]: count = 0, ...rest } = existing.spec.block;
    const block = count > 1 ? { ...rest, [cidr]: count - 1 } : rest;
    if (Object.keys(block).length === 0) return this.remove(existing, signal);
    try {
      await this.#client.update(ipamHandles, { ...existing, spec: { ...existing.spec, block } }, signal === undefined ? {} : { signal });
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  /** Removes exactly this version of the handle; false when it changed. */
  async remove(existing: IPAMHandle, signal?: AbortSignal): Promise<boolean> {
    const { name, uid, resourceVersion } = existing.metadata;
    try {
      await this.#client.delete(ipamHandles, { name }, {
        preconditions: { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) },
        ...(signal === undefined ? {} : { signal }),
      });
      return true;
    } catch (error) {
      if (isNotFound(error)) return true;
      if (isConflict(error)) return false;
      throw error;
    }
  }
}

const nameOf = (handle: string): string => handle.toLowerCase();
