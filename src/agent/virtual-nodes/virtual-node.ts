import type { CompiledContainerHost } from '../../api/compiled-guest.ts';
import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, YadoError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Cri } from '../../container/cri.ts';
import type { KubeletContext, PodRunner } from '../../container/kubelet/port.ts';
import type { GuestLink } from '../../container/link/port.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { PodNetwork } from '../../network/port.ts';
import { nodeSubject, signedCertificate } from './node-identity.ts';
import { liveAsNode } from './node-life.ts';

/** What all virtual nodes of a host share. */
export interface VirtualNodeOptions {
  /** The agent's own. */
  readonly client: KubeClient;
  /** A client with another identity: PEM texts. */
  readonly clientAs: (certificate: string, key: string) => KubeClient;
  readonly network: PodNetwork;
  /** The runtime behind a unix socket. */
  readonly cri: (socket: string) => Cri;
  /** What runs the pods of a node whose machine is of this namespace. */
  readonly kubelet: (context: KubeletContext, namespace: string) => PodRunner;
  /** Address of the host, where the nodes' kubelets answer; and the first of the ports that they take. */
  readonly hostAddress: string;
  readonly firstKubeletPort: number;
  readonly dns: { readonly servers: readonly string[]; readonly domain: string };
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** One guest that is a node. */
export interface VirtualGuest {
  readonly host: CompiledContainerHost;
  readonly namespace: string;
  readonly link: GuestLink;
}

/** Why a virtual node ends when its guest has. */
export class GuestGoneError extends YadoError {
  constructor() {
    super('GuestStopped', 'the machine does not run');
  }
}

const RETRY = { baseMs: 200, capMs: 5000, jitter: 0.2 };

/** Plays the node that a guest is, with an identity of the node's own. Ends with its signal; the containers go on. */
export class VirtualNode {
  readonly #options: VirtualNodeOptions;
  readonly #guest: VirtualGuest;

  constructor(options: VirtualNodeOptions, guest: VirtualGuest) {
    this.#options = options;
    this.#guest = guest;
  }

  /** Works until the signal aborts; whatever fails is begun anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#withIdentity(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        log[failures < 2 ? 'debug' : 'warn']({ node: this.#guest.host.node, error: messageOf(error) }, 'the virtual node is begun anew');
        await clock.sleep(backoffMs(failures, RETRY), signal).catch(() => {});
      }
    }
  }

  /** Lives with one identity until that is to be renewed. */
  async #withIdentity(signal: AbortSignal): Promise<void> {
    const { client, clientAs, clock } = this.#options;
    const { node } = this.#guest.host;
    const identity = await signedCertificate(client, 'client', nodeSubject(node), clock, signal);
    const own = clientAs(identity.certificate, identity.key);
    const outdated = AbortSignal.timeout(identity.renewAt - clock.now());
    const living = AbortSignal.any([signal, outdated]);
    try {
      // A guest that rebooted is another node in all but its name.
      while (!living.aborted) await liveAsNode(this.#options, this.#guest, own, living);
    } catch (error) {
      if (!outdated.aborted) throw error;
    } finally {
      own.close();
    }
  }
}
