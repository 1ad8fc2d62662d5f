import type { Log } from '../../base/log.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Reconcile } from '../../kube/controller.ts';
import { nodes as nodeResource, type Node } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import type { ObjectKey } from '../../kube/object.ts';
import type { Ipam } from '../../network/port.ts';

export interface GoneNodesContext {
  readonly client: KubeClient;
  readonly nodes: Informer<Node>;
  readonly ipam: Ipam;
  readonly log: Log;
}

/** The one key: all nodes are looked at together. */
export const ALL_NODES: ObjectKey = 'nodes';
/** A Node may have been deleted while nobody watched. */
const AGAIN_MS = 300_000;
/** What still ran there may have taken an address meanwhile. */
const SOON_MS = 10_000;

/** Gives back the addresses and blocks of nodes whose Node object is gone. */
export class GoneNodesReconciler {
  readonly #context: GoneNodesContext;

  constructor(context: GoneNodesContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (_key, signal) => {
    const { nodes, ipam, log } = this.#context;
    let released = 0;
    for (const name of await ipam.nodes(signal)) {
      if (nodes.get(name) !== undefined || await this.#exists(name, signal)) continue;
      await ipam.releaseNode(name, signal);
      released += 1;
      log.info({ node: name }, 'the Node is gone: its containers\' addresses and its idle blocks are free again');
    }
    return { requeueAfterMs: released === 0 ? AGAIN_MS : SOON_MS };
  };

  /** The cache may be behind. */
  async #exists(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#context.client.get(nodeResource, { name }, signal);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
