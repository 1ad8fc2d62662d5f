import { join } from 'node:path';
import { systemClock, type Clock } from '../../../base/clock.ts';
import { silentLog, type Log } from '../../../base/log.ts';
import { DhcpServer } from '../../dhcp/server.ts';
import { NetworkError, type GuestEndpoint, type GuestEndpointRequest, type NodeNetwork } from '../../port.ts';
import { IpBatch } from '../native/ip-batch.ts';
import { StateFolder } from '../native/state-folder.ts';
import { SplicedGuests, type SpliceRecord } from './guests.ts';
import { SandboxWatch } from './sandbox-watch.ts';
import type { Sandboxes } from './sandboxes.ts';

export interface SplicedNetworkOptions {
  /** The node's container runtime. */
  readonly sandboxes: Sandboxes;
  /** Default /var/lib/yadokari/network. */
  readonly stateDirectory?: string;
  readonly dns: {
    /** Addresses of name servers that guests are told. */
    readonly servers: readonly string[];
    /** Search domains of a namespace, the guest's own first. */
    readonly search: (namespace: string) => readonly string[];
  };
  /** Called with the key of an anchor whose sandbox was made anew: `ensureGuest` splices its guest again and tells where it is now. */
  readonly onMoved: (anchor: string) => void;
  /** Called with the key of an anchor whose sandbox has ended: the kubelet makes another one as soon as the anchor's container is gone too. */
  readonly onLost: (anchor: string) => void;
  readonly log?: Log;
  readonly clock?: Clock;
}

/**
 * Guests on the cluster's own network, whichever CNI made it: a guest's tap and its anchor's interface are spliced into
 * one, so that the guest has the pod's address, and the CNI's policies and services hold for it. Must run in the node's
 * network namespace and see the host's processes, with CAP_NET_ADMIN and CAP_SYS_ADMIN. What it needs after a restart is
 * in the kernel and in its state folder; disposing of it stops DHCP and leaves every splice as it is.
 */
export class SplicedNetwork implements NodeNetwork {
  readonly pods = undefined;
  readonly metadata = undefined;
  readonly #log: Log;
  readonly #batch: IpBatch;
  readonly #records: StateFolder<SpliceRecord>;
  readonly #watch: SandboxWatch;
  readonly #guests: SplicedGuests;
  readonly #dhcp: DhcpServer;
  #started = false;

  constructor(options: SplicedNetworkOptions) {
    const { sandboxes, dns, onMoved, onLost, log = silentLog, clock = systemClock, stateDirectory = '/var/lib/yadokari/network' } = options;
    this.#log = log;
    this.#batch = new IpBatch({ log });
    this.#records = new StateFolder(join(stateDirectory, 'splices'));
    this.#watch = new SandboxWatch({ sandboxes, standing: () => this.#guests.standing(), onMoved, onLost, clock, log });
    this.#dhcp = new DhcpServer({ log, delivery: 'broadcast', lookup: (mac) => this.#guests.leaseOf(mac) });
    this.#guests = new SplicedGuests({
      sandboxes, dns, log, watch: this.#watch, batch: this.#batch, records: this.#records,
      onRemoved: (server) => this.#dhcp.forget(server),
    });
  }

  async start(): Promise<void> {
    await this.#records.load();
    await this.#guests.start();
    await this.#dhcp.start();
    this.#watch.start();
    this.#started = true;
    this.#log.info({ guests: this.#records.entries().length }, 'guests are spliced to their pods on this node');
  }

  async ensureGuest(request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    if (!this.#started) throw new NetworkError('NetworkNotReady', 'the node\'s network has not been started yet', { disposition: 'wait' });
    return this.#guests.ensure(request, signal);
  }

  removeGuest(namespace: string, pod: string): Promise<void> {
    return this.#guests.remove(namespace, pod);
  }

  prune(keep: ReadonlySet<string>): Promise<void> {
    return this.#guests.prune(keep);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
    await this.#dhcp[Symbol.asyncDispose]();
    await this.#batch[Symbol.asyncDispose]();
  }
}
