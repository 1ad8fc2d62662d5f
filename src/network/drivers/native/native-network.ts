import { join } from 'node:path';
import { systemClock, type Clock } from '../../../base/clock.ts';
import { silentLog, type Log } from '../../../base/log.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { CalicoIpam } from '../../ipam/calico-ipam.ts';
import { LeakCollector } from '../../ipam/leak-collector.ts';
import { NetworkError, type GuestEndpoint, type GuestEndpointRequest, type Ipam, type NodeNetwork, type PodLookup, type PodNetwork } from '../../port.ts';
import { DhcpServer } from '../../dhcp/server.ts';
import { CniServer } from './cni-server.ts';
import { Containers, type Attachment, type PendingRelease } from './containers.ts';
import { Guests, type GuestRecord } from './guests.ts';
import { findUplink, GATEWAY, setSysctls, type Uplink } from './interfaces.ts';
import { IpBatch } from './ip-batch.ts';
import { Routing } from './routing.ts';
import { StateFolder } from './state-folder.ts';

export interface NativeNetworkOptions {
  readonly client: KubeClient;
  /** Name of this node. */
  readonly node: string;
  /** Address of this node that others reach, on an interface of this host. */
  readonly nodeAddress: string;
  readonly lookup: PodLookup;
  /** Default /var/lib/yadokari/network. */
  readonly stateDirectory?: string;
  /** Default /run/yadokari/cni.sock. */
  readonly cniSocket?: string;
  /** Default /etc/yadokari/bird.conf. BIRD itself is started by others. */
  readonly birdConfig?: string;
  /** Default /run/yadokari/bird.ctl. */
  readonly birdSocket?: string;
  readonly dns: {
    /** Addresses of name servers that guests are told. */
    readonly servers: readonly string[];
    /** Search domains of a namespace, the guest's own first. */
    readonly search: (namespace: string) => readonly string[];
  };
  /** Default: Calico's datastore through `client`. */
  readonly ipam?: Ipam;
  readonly log?: Log;
  readonly clock?: Clock;
}

/** At the gateway's address, which only workloads of this node reach. */
const METADATA_PORT = 9403;

/**
 * The node's own network: routed interfaces, Calico's address book, BIRD, DHCP and CNI. Must run in the node's network
 * namespace with CAP_NET_ADMIN. What it needs after a restart is in the kernel, in the API and in its state folder;
 * disposing of it stops the services and leaves every interface and route as it is.
 */
export class NativeNetwork implements NodeNetwork {
  readonly pods: PodNetwork;
  readonly metadata = { host: GATEWAY, port: METADATA_PORT };
  readonly ipam: Ipam;
  readonly #options: NativeNetworkOptions;
  readonly #log: Log;
  readonly #batch: IpBatch;
  readonly #attachments: StateFolder<Attachment>;
  readonly #releases: StateFolder<PendingRelease>;
  readonly #records: StateFolder<GuestRecord>;
  readonly #containers: Containers;
  readonly #guests: Guests;
  readonly #routing: Routing;
  readonly #dhcp: DhcpServer;
  readonly #cni: CniServer;
  readonly #collector: LeakCollector | undefined;
  #uplink: Uplink | undefined;

  constructor(options: NativeNetworkOptions) {
    const { client, node, nodeAddress, lookup, dns } = options;
    const clock = options.clock ?? systemClock;
    const log = options.log ?? silentLog;
    const state = options.stateDirectory ?? '/var/lib/yadokari/network';
    const calico = options.ipam === undefined ? new CalicoIpam({ client, clock }) : undefined;
    this.#options = options;
    this.#log = log;
    this.ipam = options.ipam ?? (calico as Ipam);
    this.pods = { ipam: this.ipam, mtu: () => this.#ready().mtu };
    this.#batch = new IpBatch({ log });
    this.#attachments = new StateFolder(join(state, 'containers'));
    this.#releases = new StateFolder(join(state, 'releases'));
    this.#records = new StateFolder(join(state, 'guests'));
    const shared = { node, ipam: this.ipam, batch: this.#batch, clock, mtu: () => this.#ready().mtu, onChange: () => this.#routing.refresh() };
    this.#guests = new Guests({ ...shared, records: this.#records, dns });
    this.#containers = new Containers({ ...shared, lookup, log, attachments: this.#attachments, releases: this.#releases, isTap: (name) => this.#guests.isTap(name) });
    this.#routing = new Routing({
      client, node, nodeAddress, log, clock,
      uplink: () => this.#ready(),
      birdConfig: options.birdConfig ?? '/etc/yadokari/bird.conf',
      birdSocket: options.birdSocket ?? '/run/yadokari/bird.ctl',
      addresses: () => this.#addresses(),
      virtualNodes: () => this.#guests.virtualNodes(),
      metadataClients: () => this.#guests.metadataClients(),
      floating: () => this.#guests.floating(),
      metadata: this.metadata,
      batch: this.#batch,
    });
    this.#dhcp = new DhcpServer({ log, delivery: 'unicast', lookup: (mac) => this.#guests.leaseOf(mac) });
    this.#cni = new CniServer({ socketPath: options.cniSocket ?? '/run/yadokari/cni.sock', log, handle: (request, signal) => this.#containers.handle(request, signal) });
    this.#collector = calico === undefined ? undefined : new LeakCollector({ client, ipam: calico, node, log, clock, isKnown: (id) => this.#attachments.get(id) !== undefined });
  }

  async start(signal?: AbortSignal): Promise<void> {
    const uplink = await findUplink(this.#options.nodeAddress, signal);
    await setSysctls({ 'ipv4/ip_forward': '1' });
    await this.#batch.run([
      { text: 'link set dev lo up' },
      // Of link scope, so that it answers but is never chosen as a source.
      { text: `addr replace ${GATEWAY}/32 dev lo scope link` },
    ]);
    await Promise.all([this.#attachments.load(), this.#releases.load(), this.#records.load()]);
    await this.#guests.start();
    this.#uplink = uplink;
    await this.#dhcp.start([GATEWAY]);
    this.#routing.start();
    this.#containers.start();
    this.#collector?.start();
    // Last: from here on the runtime's requests come in.
    await this.#cni.start();
    this.#log.info({ uplink: uplink.name, mtu: uplink.mtu, address: this.#options.nodeAddress }, 'node network is up');
  }

  async ensureGuest(request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    this.#ready();
    return this.#guests.ensure(request, signal);
  }

  removeGuest(namespace: string, pod: string): Promise<void> {
    return this.#guests.remove(namespace, pod);
  }

  prune(keep: ReadonlySet<string>): Promise<void> {
    return this.#guests.prune(keep);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cni[Symbol.asyncDispose]();
    await this.#collector?.[Symbol.asyncDispose]();
    await this.#containers[Symbol.asyncDispose]();
    await this.#routing[Symbol.asyncDispose]();
    await this.#dhcp[Symbol.asyncDispose]();
    await this.#batch[Symbol.asyncDispose]();
  }

  #addresses(): readonly string[] {
    const containers = this.#attachments.entries().flatMap(([, { kind, address }]) => (kind === 'container' && address !== undefined ? [address] : []));
    return [...this.#guests.addresses(), ...containers];
  }

  #ready(): Uplink {
    if (this.#uplink === undefined) throw new NetworkError('NetworkNotReady', 'the node\'s network has not been started yet', { disposition: 'wait' });
    return this.#uplink;
  }
}
