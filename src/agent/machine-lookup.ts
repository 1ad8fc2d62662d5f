import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { isDeleting, metadataOf, type KubeObject } from '../kube/object.ts';
import { virtualMachines } from '../kube/yadokari.ts';

/** A VirtualMachine, of which there may be another one of the same name by now. */
export interface MachineRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * Asks for machines one by one. A watch would tell every node of every change of every machine, which costs the API
 * server nodes × writes, and a node has to know of few machines, seldom.
 */
export class MachineLookup {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Whether the machine is being deleted, or there is no such machine any more. */
  async isGoing({ namespace, name, uid }: MachineRef, signal: AbortSignal): Promise<boolean> {
    try {
      const machine: KubeObject = await this.#client.get(metadataOf(virtualMachines), { namespace, name }, signal);
      return machine.metadata.uid !== uid || isDeleting(machine);
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }
}
