import { join } from 'node:path';
import { Agent } from '../agent/agent.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ControllerMetrics } from '../kube/controller.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { Manager } from '../kube/manager.ts';
import { SimulatedNetwork } from '../network/drivers/simulated/simulated-network.ts';
import { SimulatedHypervisor } from '../vm/drivers/simulated/hypervisor.ts';
import { HollowKubelet } from './hollow-kubelet.ts';
import { HollowNodes, type NodeCapacity } from './hollow-nodes.ts';
import { SandboxAddresses } from './sandbox-addresses.ts';
import { SimulatedDisks, SimulatedImages } from './simulated-stores.ts';

export interface SimulationOptions {
  /** For the agents, whose calls are worth counting. */
  readonly client: KubeClient;
  /** For what only pretends to be a kubelet. */
  readonly kubeletClient: KubeClient;
  /** Names of the nodes. */
  readonly nodes: readonly string[];
  readonly capacity: NodeCapacity;
  /** From a bound pod to its sandbox with an address, in milliseconds. */
  readonly sandboxMs: number;
  /** From a bound pod to the report that it runs. */
  readonly podMs: number;
  /** From the hypervisor's start call to a running guest. */
  readonly startMs: number;
  /** From there to a connected guest agent. */
  readonly bootMs: number;
  /** For consoles; its owner removes it. */
  readonly folder: string;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Many nodes in one process: on each the real agent, with a hypervisor, disks and a network of the imagination; their
 * kubelets are played. All that goes on between them and the API server is real.
 */
export class Simulation {
  readonly #options: SimulationOptions;
  readonly #nodes: HollowNodes;
  readonly #agents: readonly Agent[];
  readonly #kubelets: Manager;

  constructor(options: SimulationOptions) {
    const { kubeletClient: client, nodes, capacity, clock, log, sandboxMs, podMs } = options;
    const addresses = new SandboxAddresses();
    const names = new Set(nodes);
    const kubelet = new HollowKubelet({ client, isOurs: (node) => names.has(node), addresses, sandboxMs, runningMs: podMs, clock, log });
    this.#options = options;
    this.#nodes = new HollowNodes({ client, names: nodes, capacity, clock, log });
    this.#agents = nodes.map((node) => this.#agent(node, addresses));
    this.#kubelets = new Manager({ informers: [kubelet.pods, this.#nodes.nodes], controllers: [kubelet.controller], log });
  }

  get ready(): boolean {
    return this.#kubelets.ready && this.#agents.every((agent) => agent.ready);
  }

  /** Registers the nodes and plays them until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#nodes.register(signal);
    this.#options.log.info({ nodes: this.#options.nodes.length }, 'the nodes are registered');
    await Promise.all([this.#nodes.keep(signal), this.#kubelets.run(signal), ...this.#agents.map((agent) => agent.run(signal))]);
  }

  /** Removes the nodes; nothing must run on them any more. */
  remove(): Promise<void> {
    return this.#nodes.remove();
  }

  #agent(node: string, ipam: SandboxAddresses): Agent {
    const { client, clock, metrics, startMs, bootMs, folder, log } = this.#options;
    return new Agent({
      client,
      node,
      hypervisor: new SimulatedHypervisor({ clock, startMs, bootMs, consoleLogs: false }),
      network: () => new SimulatedNetwork({ node, ipam }),
      images: new SimulatedImages(),
      disks: new SimulatedDisks(join(folder, node)),
      runtime: { stopContainer: () => Promise.resolve(), [Symbol.dispose]: () => {} },
      imageDirectories: [],
      connectCloud: () => Promise.reject(new Error('simulated nodes reach no cloud')),
      runDirectory: folder,
      virtualNodes: () => Promise.reject(new Error('simulated guests run no pods')),
      podLogDirectory: join(folder, 'pods'),
      kubeletDirectory: join(folder, 'kubelet'),
      events: new EventRecorder({ client, controller: 'yadokari.dev/agent', instance: node, log }),
      metrics,
      clock,
      log: log.child({ node }),
    });
  }
}
