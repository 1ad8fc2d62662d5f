import { LABEL_VIRTUAL_MACHINE } from '../../../api/group.ts';
import type { Node } from '../../../kube/core.ts';
import { contains, liesWithin, parseAddress, parseCidr } from '../../address.ts';
import type { BGPConfiguration, BGPPeer, BlockAffinity, IPPool } from '../../calico/kinds.ts';
import { parseSelector } from '../../calico/selector.ts';
import type { BirdInput, BirdPeer } from './bird-config.ts';

/** All that a node's routes depend on. */
export interface RoutingFacts {
  readonly node: string;
  readonly nodeAddress: string;
  /** CIDR of the node's own network. */
  readonly network: string;
  /** Addresses of workloads on this node. */
  readonly addresses: readonly string[];
  readonly nodes: readonly Node[];
  readonly pools: readonly IPPool[];
  readonly configuration: BGPConfiguration | undefined;
  readonly peers: readonly BGPPeer[];
  readonly affinities: readonly BlockAffinity[];
  /** Nodes that are guests of this node. */
  readonly virtualNodes: readonly string[];
}

const DEFAULT_AS = 64512;

export function birdInput(facts: RoutingFacts): BirdInput {
  const blocks = blocksOf(facts.affinities, new Set([facts.node])).map(({ cidr }) => cidr);
  const ofGuests = blocksOf(facts.affinities, new Set(facts.virtualNodes));
  const silent = facts.pools.filter(({ spec }) => spec.disableBGPExport === true).map(({ spec }) => spec.cidr);
  const isInner = (cidr: string): boolean => silent.some((pool) => liesWithin(cidr, pool));
  const port = facts.configuration?.spec.listenPort;
  return {
    address: facts.nodeAddress,
    asNumber: asNumberOf(facts.nodes.find(({ metadata }) => metadata.name === facts.node), facts.configuration),
    ...(port === undefined ? {} : { listenPort: port }),
    peers: peersOf(facts),
    blocks: blocks.filter((cidr) => !isInner(cidr)),
    innerBlocks: blocks.filter(isInner),
    elsewhere: [
      ...ofGuests.map(({ cidr }) => cidr).filter((cidr) => !isInner(cidr)),
      ...[...new Set(facts.addresses)].filter((address) => !blocks.some((cidr) => liesWithin(address, cidr)) && !isInner(address)).map((address) => `${address}/32`),
    ],
  };
}

/** Blocks that these nodes have. */
export function blocksOf(affinities: readonly BlockAffinity[], nodes: ReadonlySet<string>): readonly { readonly node: string; readonly cidr: string }[] {
  return affinities
    .filter(({ spec }) => nodes.has(spec.node) && spec.state === 'confirmed' && spec.deleted !== 'true' && parseCidr(spec.cidr) !== undefined)
    .map(({ spec: { node, cidr } }) => ({ node, cidr }));
}

/** The mesh of all nodes, and every BGPPeer that is meant for this node. */
function peersOf(facts: RoutingFacts): readonly BirdPeer[] {
  const network = parseCidr(facts.network);
  const own = facts.nodes.find(({ metadata }) => metadata.name === facts.node);
  const labels = own?.metadata.labels ?? {};
  const found = new Map<string, BirdPeer>();
  const add = (address: string | undefined, asNumber: number, port?: number): void => {
    const number = address === undefined ? undefined : parseAddress(address);
    if (address === undefined || number === undefined || address === facts.nodeAddress || found.has(address)) return;
    found.set(address, { address, asNumber, adjacent: network !== undefined && contains(network, number), ...(port === undefined ? {} : { port }) });
  };
  // A node that is a guest is reached through its host.
  const others = facts.nodes.filter(({ metadata }) => metadata.name !== facts.node && metadata.labels?.[LABEL_VIRTUAL_MACHINE] === undefined);
  const meshPort = facts.configuration?.spec.listenPort;
  for (const { spec } of facts.peers) {
    if (spec.node !== undefined && spec.node !== '' ? spec.node !== facts.node : !parseSelector(spec.nodeSelector ?? '')(labels)) continue;
    const [address, port] = (spec.peerIP ?? '').split(':');
    if (spec.peerSelector !== undefined && spec.peerSelector !== '') {
      const selected = parseSelector(spec.peerSelector);
      for (const node of others.filter(({ metadata }) => selected(metadata.labels ?? {}))) add(addressOf(node), asNumberOf(node, facts.configuration), meshPort);
    } else add(address, spec.asNumber ?? asNumberOf(own, facts.configuration), port === undefined ? undefined : Number(port));
  }
  if (facts.configuration?.spec.nodeToNodeMeshEnabled !== false) {
    for (const node of others) add(addressOf(node), asNumberOf(node, facts.configuration), meshPort);
  }
  return [...found.values()];
}

export function addressOf(node: Node): string | undefined {
  const own = node.metadata.annotations?.['projectcalico.org/IPv4Address']?.split('/')[0];
  return own ?? node.status?.addresses?.find(({ type, address }) => type === 'InternalIP' && !address.includes(':'))?.address;
}

function asNumberOf(node: Node | undefined, configuration: BGPConfiguration | undefined): number {
  return Number(node?.metadata.annotations?.['projectcalico.org/ASNumber'] ?? configuration?.spec.asNumber ?? DEFAULT_AS);
}
