import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backoffMs } from '../../../base/backoff.ts';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { run } from '../../../base/process.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { nodes, type Node } from '../../../kube/core.ts';
import { Informer } from '../../../kube/informer.ts';
import { bgpConfigurations, bgpPeers, blockAffinities, ipPools } from '../../calico/kinds.ts';
import { birdCommand } from './bird-control.ts';
import { birdConfig } from './bird-config.ts';
import { addressOf, birdInput, blocksOf } from './bird-input.ts';
import { FORWARD_RULES, masqueradeRules } from './masquerade.ts';
import type { Uplink } from './interfaces.ts';
import type { IpBatch } from './ip-batch.ts';
import { VirtualNodeRoutes, type VirtualNodeRoute } from './virtual-node-routes.ts';

export interface RoutingOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly nodeAddress: string;
  readonly uplink: () => Uplink;
  readonly birdConfig: string;
  readonly birdSocket: string;
  /** Addresses of workloads on this node. */
  readonly addresses: () => readonly string[];
  /** Guests of this node that are nodes themselves. */
  readonly virtualNodes: () => readonly VirtualNodeRoute[];
  /** Guests of this node that ask for metadata, and where it is. */
  readonly metadataClients: () => readonly { readonly tap: string; readonly address: string }[];
  readonly metadata: { readonly host: string; readonly port: number };
  /** Addresses of guests of this node by those that lead to them too. */
  readonly floating: () => ReadonlyMap<string, string>;
  readonly batch: IpBatch;
  readonly log: Log;
  readonly clock: Clock;
}

const RETRY = { baseMs: 200, capMs: 5000, jitter: 0.2 };
/** Changes come in groups. */
const SETTLE_MS = 50;
const ADDRESS_ANNOTATION = 'projectcalico.org/IPv4Address';

/** Keeps BIRD's configuration, the masquerade rules and the node's own annotation as the API says. */
export class Routing implements AsyncDisposable {
  readonly #options: RoutingOptions;
  readonly #stop = new AbortController();
  readonly #informers;
  #dirty = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #configured: string | undefined;
  #filtered: string | undefined;
  readonly #virtualRoutes: VirtualNodeRoutes;

  constructor(options: RoutingOptions) {
    this.#options = options;
    const { client, log, clock } = options;
    this.#virtualRoutes = new VirtualNodeRoutes(options.batch);
    this.#informers = {
      nodes: new Informer(client, nodes, { log, clock }),
      pools: new Informer(client, ipPools, { log, clock }),
      configurations: new Informer(client, bgpConfigurations, { log, clock }),
      peers: new Informer(client, bgpPeers, { log, clock }),
      affinities: new Informer(client, blockAffinities, { log, clock }),
    };
  }

  start(): void {
    for (const informer of Object.values(this.#informers)) informer.start();
    this.#running ??= this.#run().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#options.log.error({ error: messageOf(error) }, 'routing ended');
    });
  }

  /** Something that routes depend on changed. */
  refresh(): void {
    this.#dirty.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('routing was stopped'));
    this.#dirty.resolve();
    await this.#running;
    await Promise.all(Object.values(this.#informers).map((informer) => informer[Symbol.asyncDispose]()));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    // A picture with parts missing would withdraw what is right.
    await Promise.all(Object.values(this.#informers).map((informer) => informer.waitForSync(signal)));
    const { nodes: known, pools, configurations, peers, affinities } = this.#informers;
    for (const informer of [pools, configurations, peers, affinities]) informer.onChange(() => this.refresh());
    // Heartbeats change nodes all the time.
    known.onChange(({ object, old }) => {
      if (old === undefined || old === object || facts(old) !== facts(object)) this.refresh();
    });
    for (let failures = 0; !signal.aborted;) {
      this.#dirty = Promise.withResolvers<void>();
      try {
        await this.#apply();
        failures = 0;
        await this.#dirty.promise;
        await this.#options.clock.sleep(SETTLE_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#options.log[failures === 3 ? 'warn' : 'debug']({ error: messageOf(error) }, 'routes could not be brought up to date, trying again');
        await this.#options.clock.sleep(backoffMs(failures, RETRY), signal).catch(() => {});
      }
    }
  }

  async #apply(): Promise<void> {
    await this.#annotate();
    await this.#filter();
    await this.#route();
  }

  async #annotate(): Promise<void> {
    const { node, nodeAddress, uplink, client } = this.#options;
    const object = this.#informers.nodes.get(node);
    const value = `${nodeAddress}/${uplink().prefixLength}`;
    if (object === undefined || object.metadata.annotations?.[ADDRESS_ANNOTATION] === value) return;
    await client.patch(nodes, { name: node }, { metadata: { annotations: { [ADDRESS_ANNOTATION]: value } } }, { signal: this.#stop.signal });
  }

  async #filter(): Promise<void> {
    const pools = this.#informers.pools.list().filter(({ spec }) => !spec.cidr.includes(':'));
    const rules = masqueradeRules({
      pools: pools.map(({ spec }) => spec.cidr),
      masqueraded: pools.filter(({ spec }) => spec.natOutgoing === true).map(({ spec }) => spec.cidr),
      nodes: [...new Set(this.#informers.nodes.list().map(addressOf).filter((address) => address !== undefined))],
      network: this.#options.uplink().network,
      hosts: this.#hosts(),
      floating: this.#options.floating(),
      metadata: { ...this.#options.metadata, clients: this.#options.metadataClients() },
    });
    if (rules === this.#filtered) return;
    await run('nft', ['-f', '-'], { input: rules, signal: this.#stop.signal });
    await this.#acceptForwarding();
    this.#filtered = rules;
  }

  #hosts(): readonly { readonly address: string; readonly block: string }[] {
    const addresses = new Map(this.#options.virtualNodes().map(({ node, address }) => [node, address]));
    return blocksOf(this.#informers.affinities.list(), new Set(addresses.keys())).flatMap(({ node, cidr }) => {
      const address = addresses.get(node);
      return address === undefined ? [] : [{ address, block: cidr }];
    });
  }

  async #acceptForwarding(): Promise<void> {
    const chain = await run('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD']).catch(() => '');
    if (!chain.includes('policy drop') || chain.includes('"yadokari"')) return;
    await run('nft', ['-f', '-'], { input: FORWARD_RULES.map((rule) => `insert rule ip filter FORWARD ${rule}\n`).join('') });
  }

  async #route(): Promise<void> {
    const { node, nodeAddress, uplink, addresses } = this.#options;
    const virtualNodes = this.#options.virtualNodes();
    const affinities = this.#informers.affinities.list();
    // First the way to a block, then the word that it is here.
    await this.#virtualRoutes.apply(virtualNodes, affinities, this.#stop.signal);
    const text = birdConfig(birdInput({
      node,
      nodeAddress,
      network: uplink().network,
      addresses: addresses(),
      nodes: this.#informers.nodes.list(),
      pools: this.#informers.pools.list(),
      configuration: this.#informers.configurations.get('default'),
      peers: this.#informers.peers.list(),
      affinities,
      virtualNodes: virtualNodes.map((guest) => guest.node),
    }));
    if (text === this.#configured) return;
    const file = this.#options.birdConfig;
    if ((await readFile(file, 'utf8').catch(() => undefined)) !== text) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(`${file}.new`, text, { mode: 0o644 });
      await rename(`${file}.new`, file);
    }
    await birdCommand(this.#options.birdSocket, 'configure', this.#stop.signal);
    this.#configured = text;
    this.#options.log.info({ file }, 'routes configured');
  }
}

/** What of a node concerns routes. */
function facts(node: Node): string {
  return JSON.stringify([addressOf(node), node.metadata.labels, node.metadata.annotations?.['projectcalico.org/ASNumber']]);
}
