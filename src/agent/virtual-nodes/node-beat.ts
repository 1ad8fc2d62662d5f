import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Cri } from '../../container/cri.ts';
import { PressureMemory } from '../../container/kubelet/eviction/shortages.ts';
import { LinkError, type GuestInfo, type GuestLink } from '../../container/link/port.ts';
import { isUnauthorized } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Node } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { NodeHeartbeat } from './node-heartbeat.ts';
import { nodeStatus, type NodeFacts } from './node-status.ts';
import { GuestGoneError, type VirtualGuest } from './options.ts';

export interface NodeBeatOptions {
  readonly guest: VirtualGuest;
  /** With the node's own identity. */
  readonly client: KubeClient;
  /** Holds this one Node. */
  readonly nodes: Informer<Node>;
  readonly cri: Cri;
  readonly info: GuestInfo;
  readonly hostAddress: string;
  /** Undefined when nobody answers there. */
  readonly kubeletPort: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const BEAT_MS = 4000;
const SOON_MS = 500;
const LAST_WORD_MS = 3000;

/** The life signs of a node while its guest answers, and a last word when the guest is gone. */
export class NodeBeat {
  readonly #options: NodeBeatOptions;
  readonly #heartbeat: NodeHeartbeat;
  readonly #pressure = new PressureMemory();
  #facts: NodeFacts | undefined;

  constructor(options: NodeBeatOptions) {
    this.#options = options;
    this.#heartbeat = new NodeHeartbeat(options.client, options.guest.host.node, options.clock);
  }

  /** Resolves when the guest was rebooted; rejects when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, guest: { link }, info } = this.#options;
    let wake = Promise.withResolvers<void>();
    let cameBack = false;
    const unwatch = link.onChange((connected) => {
      cameBack ||= connected;
      wake.resolve();
    });
    try {
      for (;;) {
        signal.throwIfAborted();
        wake = Promise.withResolvers<void>();
        if (cameBack && link.connected) {
          cameBack = false;
          if (await isRebooted(link, info, signal)) return;
        }
        const heard = await this.#beat(signal).then(() => true, (error: unknown) => this.#unheard(error, signal));
        await Promise.race([wake.promise, clock.sleep(heard && this.#facts?.unready === undefined ? BEAT_MS : SOON_MS, signal)]);
      }
    } finally {
      unwatch();
      if (signal.reason instanceof GuestGoneError) await this.#lastWord(signal.reason);
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const facts = await this.#look(signal);
    const node = this.#options.nodes.get(this.#options.guest.host.node);
    this.#facts = facts;
    // The operator makes the Node; without one there is nothing to say.
    if (node === undefined || facts === undefined) return;
    if (this.#isOverwritten(node)) this.#heartbeat.forget();
    await this.#heartbeat.report(nodeStatus(facts, node.status?.conditions ?? [], clock.now()), signal);
    if (facts.unready === undefined) await this.#heartbeat.renew(node, signal);
  }

  /** Pods go on without the API, and so does the node; one that is not taken for who it is begins anew. */
  #unheard(error: unknown, signal: AbortSignal): false {
    signal.throwIfAborted();
    if (isUnauthorized(error)) throw error;
    const { log, guest } = this.#options;
    log.debug({ node: guest.host.node, error: messageOf(error) }, 'the node was not heard');
    return false;
  }

  async #lastWord({ code, message }: GuestGoneError): Promise<void> {
    if (this.#facts === undefined) return;
    const { clock, log, guest } = this.#options;
    const status = nodeStatus({ ...this.#facts, unready: { reason: code, message } }, this.#heartbeat.lastStatus?.conditions ?? [], clock.now());
    await this.#heartbeat.report(status, AbortSignal.timeout(LAST_WORD_MS)).catch((error: unknown) => {
      log.debug({ node: guest.host.node, error: messageOf(error) }, 'the last word was not heard');
    });
  }

  /** Undefined while nothing has ever been seen. */
  async #look(signal: AbortSignal): Promise<NodeFacts | undefined> {
    const { clock, cri, info, hostAddress, kubeletPort, guest: { host, link } } = this.#options;
    try {
      const [runtime, conditions, pressure] = await Promise.all([this.#facts?.runtime ?? cri.version(signal), cri.status(signal), link.pressure(signal)]);
      const failing = conditions.find((condition) => !condition.status);
      const unready = failing === undefined ? undefined : { reason: 'KubeletNotReady', message: `container runtime: ${failing.type}: ${failing.message === '' ? failing.reason : failing.message}` };
      return { host, hostAddress, kubeletPort: kubeletPort ?? 0, info, transport: link.transport, runtime, pressure, pressed: this.#pressure.look(pressure, clock.now()), unready };
    } catch (error) {
      signal.throwIfAborted();
      const unready = { reason: 'GuestUnreachable', message: `the guest's container runtime does not answer: ${messageOf(error)}` };
      return this.#facts === undefined ? undefined : { ...this.#facts, unready };
    }
  }

  /** The controller that notices silent nodes writes Unknown over what was said. */
  #isOverwritten(node: Node): boolean {
    const said = this.#heartbeat.lastStatus?.conditions.find(({ type }) => type === 'Ready')?.status;
    return said !== undefined && node.status?.conditions?.find(({ type }) => type === 'Ready')?.status !== said;
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
