import type { CompiledContainerHost } from '../../api/compiled-guest.ts';
import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, YadoError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Cri } from '../../container/cri.ts';
import type { PodManifest } from '../../container/kubelet/pod.ts';
import type { KubeletContext, PodRunner } from '../../container/kubelet/port.ts';
import { LinkError, type GuestInfo, type GuestLink } from '../../container/link/port.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { nodes, pods, services, type Node, type Pod, type Service } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import { Informer } from '../../kube/informer.ts';
import type { Ipam } from '../../network/port.ts';
import { NodeHeartbeat } from './node-heartbeat.ts';
import { nodeSubject, signedCertificate } from './node-identity.ts';
import { nodeStatus, type NodeFacts } from './node-status.ts';
import { VirtualNodeAddresses } from './pod-addresses.ts';
import { NodePodReferences } from './pod-references.ts';
import { NodePodStatuses } from './pod-statuses.ts';

/** What all virtual nodes of a host share. */
export interface VirtualNodeOptions {
  /** The agent's own. */
  readonly client: KubeClient;
  /** A client with another identity: PEM texts. */
  readonly clientAs: (certificate: string, key: string) => KubeClient;
  readonly ipam: Ipam;
  readonly cri: (socket: string) => Cri;
  readonly kubelet: (context: KubeletContext) => PodRunner;
  readonly hostAddress: string;
  readonly kubeletPort: number;
  readonly dns: { readonly servers: readonly string[]; readonly domain: string };
  readonly mtu: () => number;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** One guest that is a node. */
export interface VirtualGuest {
  readonly host: CompiledContainerHost;
  readonly link: GuestLink;
}

/** What others may ask of a virtual node that is up. */
export interface LiveNode {
  readonly node: string;
  readonly client: KubeClient;
  readonly cri: Cri;
  readonly link: GuestLink;
  readonly pods: Informer<Pod>;
}

/** Why a virtual node ends when its guest has. */
export class GuestGoneError extends YadoError {
  constructor() {
    super('GuestStopped', 'the machine does not run');
  }
}

const LAST_WORD_MS = 3000;
const RETRY = { baseMs: 200, capMs: 5000, jitter: 0.2 };
const BEAT_MS = 4000;
const SOON_MS = 300;

/** Plays the node that a guest is: its identity, its life signs and its pods. Ends with its signal; the containers go on. */
export class VirtualNode {
  readonly #options: VirtualNodeOptions;
  readonly #guest: VirtualGuest;
  readonly #log: Log;
  #live: LiveNode | undefined;

  constructor(options: VirtualNodeOptions, guest: VirtualGuest) {
    this.#options = options;
    this.#guest = guest;
    this.#log = options.log;
  }

  get name(): string {
    return this.#guest.host.node;
  }

  /** Undefined until it has an identity and pods are known. */
  get live(): LiveNode | undefined {
    return this.#live;
  }

  /** Works until the signal aborts; whatever fails is begun anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#serve(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#log[failures < 2 ? 'debug' : 'warn']({ node: this.name, error: messageOf(error) }, 'the virtual node is begun anew');
        await clock.sleep(backoffMs(failures, RETRY), signal).catch(() => {});
      }
    }
  }

  /** One life with one identity, until the identity is to be renewed. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { client, clientAs, clock } = this.#options;
    const identity = await signedCertificate(client, 'client', nodeSubject(this.name), clock, signal);
    const own = clientAs(identity.certificate, identity.key);
    const life = new AbortController();
    const living = AbortSignal.any([signal, life.signal, AbortSignal.timeout(identity.renewAt - clock.now())]);
    try {
      // A guest that rebooted is another node in all but its name.
      while (!living.aborted) await this.#lifeOfGuest(own, living);
    } finally {
      life.abort();
      this.#live = undefined;
      own.close();
    }
  }

  async #lifeOfGuest(client: KubeClient, signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#options;
    const { link } = this.#guest;
    const podInformer = new Informer(client, pods, { fieldSelector: `spec.nodeName=${this.name}`, log, clock });
    const serviceInformer = new Informer(client, services, { log, clock, indexers: { namespace: ({ metadata }: Service) => [metadata.namespace ?? ''] } });
    const cri = this.#options.cri(link.runtimeSocket);
    const rebooted = new AbortController();
    try {
      podInformer.start();
      serviceInformer.start();
      const info = await this.#firstInfo(signal);
      await Promise.all([podInformer.waitForSync(signal), serviceInformer.waitForSync(signal)]);
      const running = AbortSignal.any([signal, rebooted.signal]);
      const runner = this.#options.kubelet(this.#context(client, cri, info, serviceInformer));
      podInformer.onChange(({ type, object }) => (type === 'deleted' ? runner.remove(object as PodManifest) : runner.upsert(object as PodManifest)));
      for (const pod of podInformer.list()) runner.upsert(pod as PodManifest);
      runner.markSynced();
      this.#live = { node: this.name, client, cri, link, pods: podInformer };
      await Promise.all([runner.run(running), this.#beat(client, cri, info, signal).finally(() => rebooted.abort())]);
    } finally {
      this.#live = undefined;
      await Promise.all([podInformer[Symbol.asyncDispose](), serviceInformer[Symbol.asyncDispose]()]);
      cri[Symbol.dispose]();
    }
  }

  async #firstInfo(signal: AbortSignal): Promise<GuestInfo> {
    const { clock, mtu } = this.#options;
    const { link } = this.#guest;
    for (;;) {
      try {
        const info = await link.info(signal);
        await link.setNetwork({ mtu: mtu() }, signal);
        return info;
      } catch (error) {
        if (!(error instanceof LinkError) || error.code !== 'LinkDown') throw error;
        await clock.sleep(SOON_MS, signal);
      }
    }
  }

  #context(client: KubeClient, cri: Cri, info: GuestInfo, services_: Informer<Service>): KubeletContext {
    const { ipam, hostAddress, dns, events, clock, log } = this.#options;
    const { host, link } = this.#guest;
    const searches = ['svc', ''].map((part) => [part, dns.domain].filter((word) => word !== '').join('.'));
    return {
      cri,
      files: link.files,
      references: new NodePodReferences(client, services_),
      addresses: new VirtualNodeAddresses({ ipam, link, node: this.name, clock }),
      statuses: new NodePodStatuses(client),
      settings: {
        node: this.name,
        hostAddress,
        clusterDns: dns.servers,
        clusterDomain: dns.domain,
        dns: { servers: dns.servers, searches },
        allocatable: { millicpu: Math.max(info.cpus * 1000 - host.reservedMillicpu, 0), memoryBytes: Math.max(info.memoryBytes - host.reservedBytes, 0) },
        labels: {},
      },
      event: (about, event) => events.record(about, event),
      clock,
      log,
    };
  }

  /** Life signs while the guest answers, and a last word when it is gone. Resolves when it was rebooted. */
  async #beat(client: KubeClient, cri: Cri, info: GuestInfo, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { link } = this.#guest;
    const heartbeat = new NodeHeartbeat(client, this.name, clock);
    let facts: NodeFacts | undefined;
    let wake = Promise.withResolvers<void>();
    let cameBack = false;
    const unwatch = link.onChange((connected) => {
      cameBack ||= connected;
      wake.resolve();
    });
    try {
      while (!signal.aborted) {
        wake = Promise.withResolvers<void>();
        if (cameBack && link.connected) {
          cameBack = false;
          if (await isRebooted(link, info, signal)) return;
        }
        const node = await this.#node(client, signal);
        if (node === undefined) {
          await clock.sleep(SOON_MS, signal);
          continue;
        }
        facts = await this.#facts(cri, info, facts, signal);
        if (facts !== undefined) {
          if (isOverwritten(node, heartbeat)) heartbeat.forget();
          await heartbeat.report(nodeStatus(facts, node.status?.conditions ?? [], clock.now()), signal);
          if (facts.unready === undefined) await heartbeat.renew(node, signal);
        }
        await Promise.race([wake.promise, clock.sleep(facts?.unready === undefined ? BEAT_MS : SOON_MS * 3, signal)]);
      }
    } finally {
      unwatch();
      if (facts !== undefined && signal.reason instanceof GuestGoneError) {
        const unready = { reason: signal.reason.code, message: signal.reason.message };
        await heartbeat.report(nodeStatus({ ...facts, unready }, heartbeat.lastStatus?.conditions ?? [], clock.now()), AbortSignal.timeout(LAST_WORD_MS)).catch((error: unknown) => {
          this.#log.debug({ node: this.name, error: messageOf(error) }, 'the last word was not heard');
        });
      }
    }
  }

  async #node(client: KubeClient, signal: AbortSignal): Promise<Node | undefined> {
    try {
      return await client.get(nodes, { name: this.name }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #facts(cri: Cri, info: GuestInfo, last: NodeFacts | undefined, signal: AbortSignal): Promise<NodeFacts | undefined> {
    const { hostAddress, kubeletPort } = this.#options;
    const { host, link } = this.#guest;
    try {
      const [runtime, conditions, pressure] = await Promise.all([last?.runtime ?? cri.version(signal), cri.status(signal), link.pressure(signal)]);
      const failing = conditions.find((condition) => !condition.status);
      const unready = failing === undefined ? undefined : { reason: 'KubeletNotReady', message: `container runtime: ${failing.type}: ${failing.message || failing.reason}` };
      return { host, hostAddress, kubeletPort, info, runtime, pressure, unready };
    } catch (error) {
      if (signal.aborted) throw error;
      const unready = { reason: 'GuestUnreachable', message: `the guest's container runtime does not answer: ${messageOf(error)}` };
      return last === undefined ? undefined : { ...last, unready };
    }
  }
}

async function isRebooted(link: GuestLink, info: GuestInfo, signal: AbortSignal): Promise<boolean> {
  try {
    return (await link.info(signal)).bootId !== info.bootId;
  } catch (error) {
    if (error instanceof LinkError) return false;
    throw error;
  }
}

/** The controller that notices silent nodes writes Unknown over what was said. */
function isOverwritten(node: Node, heartbeat: NodeHeartbeat): boolean {
  const said = heartbeat.lastStatus?.conditions.find(({ type }) => type === 'Ready')?.status;
  return said !== undefined && node.status?.conditions?.find(({ type }) => type === 'Ready')?.status !== said;
}
