import type { CompiledContainerHost } from '../../api/compiled-guest.ts';
import type { Clock } from '../../base/clock.ts';
import { YadoError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Cri } from '../../container/cri.ts';
import type { KubeletContext, PodRunner } from '../../container/kubelet/port.ts';
import type { GuestLink } from '../../container/link/port.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { PodNetwork } from '../../network/port.ts';
import type { NodeCertificates } from './node-certificates.ts';

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
  readonly certificates: NodeCertificates;
}

/** Why a virtual node ends when its guest has. */
export class GuestGoneError extends YadoError {
  constructor() {
    super('GuestStopped', 'the machine does not run');
  }
}
