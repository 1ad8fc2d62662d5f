import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ContainerRuntime } from '../container/port.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller, type ControllerMetrics } from '../kube/controller.ts';
import { pods as podResource, type Pod } from '../kube/core.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import { Informer } from '../kube/informer.ts';
import { Manager } from '../kube/manager.ts';
import { isDeleting, keyOf, type ObjectKey } from '../kube/object.ts';
import type { NodeNetwork, PodLookup } from '../network/port.ts';
import type { DiskStore, Hypervisor, ImageStore } from '../vm/port.ts';
import { AnchorReconciler } from './anchor-reconciler.ts';
import { anchorOf, isHeld, type Anchor } from './anchor.ts';
import { anchorKeyOf, AttachmentReconciler } from './attachment-reconciler.ts';
import { ConsoleForwarders } from './console-forwarders.ts';
import { DiskCopier, diskCopyOf, isMoreThanProgress, type DiskCopierOptions } from './disk-copier.ts';
import { DiskPlugger } from './disk-plugger.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import { GuestBuilder } from './guest-builder.ts';
import { GuestNodes, type GuestNodesOptions } from './guest-nodes.ts';
import { GuestProber } from './guest-prober.ts';
import { GuestReporter } from './guest-reporter.ts';
import { GuestStarter } from './guest-starter.ts';
import { GuestStopper } from './guest-stopper.ts';
import { GuestVolumes } from './guest-volumes.ts';
import { copyOf, ImageCopier } from './image-copier.ts';
import { ImageFiles } from './image-files.ts';
import { ImageImports } from './image-imports.ts';
import { ImageReporter } from './image-reporter.ts';
import { MachineLookup } from './machine-lookup.ts';
import { MetadataServer } from './metadata/server.ts';
import { OrphanSweeper } from './orphan-sweeper.ts';
import { createPodLookup } from './pod-lookup.ts';
import { PublishedVolumes } from './published-volumes.ts';
import { StoppedMachines } from './stopped-machines.ts';

export interface AgentOptions {
  readonly client: KubeClient;
  /** Name of the Node that this agent serves. */
  readonly node: string;
  readonly hypervisor: Hypervisor;
  /** The node's network, given how to look up pods and whom to tell what becomes of anchors. */
  readonly network: (lookup: PodLookup, listener: NetworkListener) => NodeNetwork;
  readonly images: ImageStore;
  readonly disks: DiskStore;
  readonly runtime: ContainerRuntime;
  readonly imageDirectories: readonly string[];
  /** Reaches clouds whose disks are copied. */
  readonly connectCloud: DiskCopierOptions['connect'];
  readonly observeCopies?: NonNullable<DiskCopierOptions['observe']>;
  /** Folder of the unix sockets that lead into guests; short, and gone after a boot. */
  readonly runDirectory: string;
  /** What plays the nodes that guests are. */
  readonly virtualNodes: GuestNodesOptions['create'];
  /** Where the kubelet keeps container logs. */
  readonly podLogDirectory: string;
  /** The kubelet's own folder, which this program sees as the kubelet does. */
  readonly kubeletDirectory: string;
  readonly events: EventRecorder;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a network tells of anchors, by their keys. */
export interface NetworkListener {
  /** Its place on the network may be another one now. */
  readonly onMoved: (anchor: ObjectKey) => void;
  /** Its sandbox has ended. The kubelet makes another one only once the container has ended too, which would wait out its grace period. */
  readonly onLost: (anchor: ObjectKey) => void;
}

const SWEEP_MS = 60_000;
const SWEEP_SOON_MS = 500;
const END_MS = 10_000;
/** Each has memory for tens of megabytes, and they share one network and mostly one disk. */
const DISK_COPIES = 2;
/** After that a copy makes room for another, and goes on later. */
const DISK_COPY_MS = 6 * 3_600_000;
const SWEEP_KEY: ObjectKey = 'node';

/** The node agent: runs the guests whose anchors are bound to this node. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #manager: Manager;
  readonly #network: NodeNetwork;
  readonly #anchors: Controller;
  readonly #pods: Informer<Pod>;
  readonly #consoles: ConsoleForwarders;
  readonly #stopped: StoppedMachines;
  readonly #prober: GuestProber;
  readonly #guestNodes: GuestNodes;
  readonly #metadata: MetadataServer | undefined;

  constructor(options: AgentOptions) {
    const { client, node, hypervisor, disks, images, clock, log, metrics, events } = options;
    const pods = new Informer(client, podResource, { fieldSelector: `spec.nodeName=${node}`, log, indexers: { guest: guestOf } });
    const machines = new MachineLookup(client);
    const endpoints = new EndpointRegistry();
    const network = options.network(createPodLookup(client, pods, endpoints), {
      onMoved: (anchor) => {
        reconciler.reconnect(anchor);
        this.#anchors.enqueue(anchor);
      },
      onLost: (key) => {
        const pod = pods.get(key);
        const anchor = pod === undefined ? undefined : anchorOf(pod);
        if (anchor !== undefined) void stopper.endContainer(anchor, AbortSignal.timeout(END_MS));
      },
    });
    const consoles = new ConsoleForwarders({ disks, podLogDirectory: options.podLogDirectory, log });
    const reporter = new GuestReporter({ client, node, clock });
    const prober = new GuestProber({ hypervisor, events, onChange: (anchor) => this.#anchors.enqueue(anchor), clock, log });
    const imports = new ImageImports({ images, onEnd: ({ key }) => this.#anchors.enqueue(key) });
    const imageReporter = new ImageReporter({ client, node, clock, log });
    const published = new PublishedVolumes({ client, kubeletDirectory: options.kubeletDirectory });
    const imageFiles = new ImageFiles(options.imageDirectories);
    const volumes = new GuestVolumes({ pods, published });
    const plugger = new DiskPlugger({ hypervisor, volumes, events });
    const builder = new GuestBuilder({ client, imports, imageReporter, disks, volumes, imageFiles, runDirectory: options.runDirectory, hasMetadata: network.metadata !== undefined });
    const guestNodes = new GuestNodes({ create: options.virtualNodes, network: network.pods, events, log });
    const starter = new GuestStarter({ builder, hypervisor, network, endpoints, reporter, events, clock, log });
    const stopper = new GuestStopper({ client, hypervisor, network, runtime: options.runtime, endpoints, consoles, clock, log });
    const reconciler = new AnchorReconciler({ pods, machines, hypervisor, starter, stopper, plugger, reporter, prober, guestNodes, consoles, events, clock, log });
    const attachments = new Controller({ name: 'attachment', reconcile: new AttachmentReconciler({ pods, hypervisor, stopper }).reconcile, log, clock, metrics })
      .watchMapped(pods, (pod) => (anchorKeyOf(pod) === undefined ? [] : [keyOf(pod)]));
    const copies = new Controller({ name: 'image-copy', reconcile: new ImageCopier({ client, pods, images, imageFiles, reporter: imageReporter, published, clock }).reconcile, log, clock, metrics, timeoutMs: DISK_COPY_MS })
      .watchMapped(pods, (pod) => (copyOf(pod) === undefined ? [] : [keyOf(pod)]), isMoreThanProgress);
    const diskCopier = new DiskCopier({
      client, pods, published, connect: options.connectCloud, runDirectory: options.runDirectory, clock, log,
      ...(options.observeCopies === undefined ? {} : { observe: options.observeCopies }),
    });
    const diskCopies = new Controller({ name: 'disk-copy', reconcile: diskCopier.reconcile, log, clock, metrics, concurrency: DISK_COPIES, timeoutMs: DISK_COPY_MS, backoff: { baseMs: 1000, capMs: 60_000 } })
      .watchMapped(pods, (pod) => (diskCopyOf(pod) === undefined ? [] : [keyOf(pod)]), isMoreThanProgress);
    const stopped = new StoppedMachines({ client, onGoing: () => sweeps.enqueue(SWEEP_KEY), log });
    const sweeper = new OrphanSweeper({ pods, machines, hypervisor, network, disks, log, onStopped: (found) => stopped.follow(found) });

    // Guests start side by side; the hypervisor queues what it cannot do at once.
    this.#anchors = new Controller({ name: 'anchor', reconcile: reconciler.reconcile, log, clock, metrics, concurrency: 16, backoff: { baseMs: 100, capMs: 30_000 } })
      .watchMapped(pods, (pod) => (anchorOf(pod) === undefined ? [anchorKeyOf(pod)].filter((key) => key !== undefined) : [keyOf(pod)]));
    const sweeps = new Controller({
      name: 'orphan',
      reconcile: async (_key, signal) => ({ requeueAfterMs: (await sweeper.sweep(signal)) ? SWEEP_SOON_MS : SWEEP_MS }),
      log,
      clock,
      metrics,
      concurrency: 1,
    });
    sweeps.watchMapped(pods, () => []);
    pods.onChange(({ type, object }) => {
      const anchor = type === 'deleted' || isDeleting(object) ? anchorOf(object) : undefined;
      if (anchor !== undefined) imports.abandon(anchor);
    });
    pods.onChange(({ type, object }) => {
      if (type === 'deleted' || isDeleting(object)) diskCopier.abandon(keyOf(object));
    });
    pods.onChange(({ type, object }) => {
      const anchor = type === 'deleted' ? anchorOf(object) : undefined;
      if (anchor === undefined) return;
      void guestNodes.gone(anchor);
      sweeps.enqueue(SWEEP_KEY);
    });
    sweeps.enqueue(SWEEP_KEY);

    this.#options = options;
    this.#network = network;
    this.#pods = pods;
    this.#consoles = consoles;
    this.#stopped = stopped;
    this.#prober = prober;
    this.#guestNodes = guestNodes;
    this.#metadata = network.metadata === undefined ? undefined : new MetadataServer({ ...network.metadata, log, filesOf: (address) => this.#filesOf(endpoints.anchorAt(address)) });
    this.#manager = new Manager({ informers: [pods], controllers: [this.#anchors, attachments, copies, diskCopies, sweeps], log });
  }

  get ready(): boolean {
    return this.#manager.ready;
  }

  /** The anchor that holds the guest on this node; undefined when nobody does, or none is known yet. */
  anchorOfGuest(id: string): Anchor | undefined {
    const pod = this.#pods.byIndex('guest', id).find(isHeld);
    return pod === undefined ? undefined : anchorOf(pod);
  }

  /** Works until the signal aborts. Guests and containers go on without it. */
  async run(signal: AbortSignal): Promise<void> {
    const { hypervisor, log } = this.#options;
    const unwatch = hypervisor.watch(({ id }) => this.#look(id));
    try {
      const network = this.#network.start(signal).catch((error: unknown) => {
        log.error({ error: messageOf(error) }, 'the network of this node could not be set up');
        throw error;
      }).then(() => this.#serveMetadata());
      await Promise.all([network, this.#manager.run(signal)]);
    } finally {
      unwatch();
      this.#stopped[Symbol.dispose]();
      this.#prober[Symbol.dispose]();
      await this.#guestNodes[Symbol.asyncDispose]();
      await this.#metadata?.[Symbol.asyncDispose]();
      this.#consoles[Symbol.dispose]();
      await this.#network[Symbol.asyncDispose]();
      await hypervisor[Symbol.asyncDispose]();
      this.#options.runtime[Symbol.dispose]();
    }
  }

  /** At the gateway's address, which there is once the network is up. Guests that ask for none go on without it. */
  async #serveMetadata(): Promise<void> {
    await this.#metadata?.start().catch((error: unknown) => {
      this.#options.log.error({ error: messageOf(error) }, 'metadata cannot be served on this node: guests with cloudInit of source MetadataService find none');
    });
  }

  async #filesOf(key: ObjectKey | undefined): Promise<ReadonlyMap<string, string> | undefined> {
    const pod = key === undefined ? undefined : this.#pods.get(key);
    const anchor = pod === undefined ? undefined : anchorOf(pod);
    return anchor?.guest.cloudInit?.source === 'metadataService' ? this.#options.disks.metadata(anchor.folder) : undefined;
  }

  /** Looks at the anchor of the guest again, or at all of them. */
  #look(guest: string | undefined): void {
    const changed = guest === undefined ? this.#pods.list() : this.#pods.byIndex('guest', guest);
    for (const pod of changed) if (anchorOf(pod) !== undefined) this.#anchors.enqueue(`${pod.metadata.namespace}/${pod.metadata.name}`);
  }
}

function guestOf(pod: Pod): readonly string[] {
  const anchor = anchorOf(pod);
  return anchor === undefined ? [] : [anchor.guest.uid];
}
