import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Node } from '../../../kube/core.ts';
import type { BGPPeer, BlockAffinity, IPPool } from '../../calico/kinds.ts';
import { birdConfig } from './bird-config.ts';
import { birdInput, type RoutingFacts } from './bird-input.ts';

const API = 'crd.projectcalico.org/v1';
const node = (name: string, address: string, labels = {}): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, status: { addresses: [{ type: 'InternalIP', address }] } });
const affinity = (name: string, cidr: string, state: BlockAffinity['spec']['state'] = 'confirmed'): BlockAffinity =>
  ({ apiVersion: API, kind: 'BlockAffinity', metadata: { name: `${name}-${cidr}` }, spec: { cidr, node: name, type: 'host', state, deleted: 'false' } });
const peer = (name: string, spec: BGPPeer['spec']): BGPPeer => ({ apiVersion: API, kind: 'BGPPeer', metadata: { name }, spec });
const pool = (name: string, spec: IPPool['spec']): IPPool => ({ apiVersion: API, kind: 'IPPool', metadata: { name }, spec });

const facts: RoutingFacts = {
  node: 'n1',
  nodeAddress: '10.0.0.11',
  network: '10.0.0.0/24',
  addresses: ['10.244.0.1', '10.244.9.9'],
  nodes: [node('n2', '10.0.0.12'), node('n1', '10.0.0.11', { rack: 'a' }), node('n3', '10.1.0.13')],
  pools: [pool('default', { cidr: '10.244.0.0/16' }), pool('quiet', { cidr: '10.250.0.0/16', disableBGPExport: true })],
  configuration: undefined,
  peers: [peer('host', { peerIP: '10.0.0.1', asNumber: 64512 }), peer('top', { peerIP: '10.0.0.254:1179', asNumber: 65000, nodeSelector: "rack == 'a'" }), peer('b', { peerIP: '10.0.0.253', asNumber: 65000, node: 'n2' })],
  affinities: [affinity('n1', '10.244.0.0/26'), affinity('n1', '10.244.1.0/26', 'pending'), affinity('n2', '10.244.2.0/26'), affinity('n1', '10.250.0.0/26')],
  virtualNodes: [],
};

it('announces own blocks and borrowed addresses to the mesh and to the peers meant for this node', () => {
  assert.deepEqual(birdInput(facts), {
    address: '10.0.0.11',
    asNumber: 64512,
    peers: [
      { address: '10.0.0.1', asNumber: 64512, adjacent: true },
      { address: '10.0.0.254', asNumber: 65000, adjacent: true, port: 1179 },
      { address: '10.0.0.12', asNumber: 64512, adjacent: true },
      { address: '10.1.0.13', asNumber: 64512, adjacent: false },
    ],
    blocks: ['10.244.0.0/26'],
    innerBlocks: ['10.250.0.0/26'],
    elsewhere: ['10.244.9.9/32'],
  });
});

it('meets no other node when the mesh is off, but those that a peer selects', () => {
  const configuration = { apiVersion: API, kind: 'BGPConfiguration', metadata: { name: 'default' }, spec: { nodeToNodeMeshEnabled: false, asNumber: 64600 } };
  const addresses = (more: Partial<RoutingFacts>): readonly string[] => birdInput({ ...facts, configuration, ...more }).peers.map(({ address }) => address);
  assert.deepEqual(addresses({ peers: [] }), []);
  assert.deepEqual(addresses({ peers: [peer('reflector', { peerSelector: 'has(reflector)' })], nodes: [...facts.nodes, node('r', '10.0.0.50', { reflector: '' })] }), ['10.0.0.50']);
});

it('announces the blocks of nodes that are its guests, and meets none of those nodes', () => {
  const guest = node('web.shop', '10.0.0.11', { 'yadokari.dev/virtual-machine': 'web' });
  const far = node('db.shop', '10.0.0.12', { 'yadokari.dev/virtual-machine': 'db' });
  const input = birdInput({ ...facts, nodes: [...facts.nodes, guest, far], virtualNodes: ['web.shop'], affinities: [...facts.affinities, affinity('web.shop', '10.244.7.0/26'), affinity('db.shop', '10.244.8.0/26')] });
  assert.deepEqual(input.elsewhere, ['10.244.7.0/26', '10.244.9.9/32']);
  assert.deepEqual(input.peers, birdInput(facts).peers);
});

it('writes the same text whatever the order of its input', () => {
  const input = birdInput(facts);
  assert.equal(birdConfig(input), birdConfig({ ...input, peers: [...input.peers].reverse() }));
});

it('writes one protocol a peer', () => {
  const text = birdConfig({ ...birdInput(facts), peers: birdInput(facts).peers.slice(1, 2) });
  assert.equal(text.slice(text.indexOf('protocol static blocks')), `protocol static blocks {
  ipv4;
  route 10.244.0.0/26 blackhole;
}

protocol static inner {
  ipv4;
  route 10.250.0.0/26 blackhole;
}

# What is reached here although its block is another node's; the kernel has the real routes.
protocol static elsewhere {
  ipv4;
  route 10.244.9.9/32 blackhole;
}

template bgp neighbour {
  local 10.0.0.11 as 64512;
  graceful restart on;
  graceful restart time 0;
  long lived graceful restart on;
  long lived stale time 120;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 5;
  ipv4 {
    import all;
    export where proto = "blocks" || proto = "elsewhere";
    next hop self;
  };
}

protocol bgp peer_10_0_0_254 from neighbour {
  neighbor 10.0.0.254 port 1179 as 65000;
  direct;
}
`);
});
