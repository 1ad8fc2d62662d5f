/** A BGP neighbour of this node. */
export interface BirdPeer {
  readonly address: string;
  readonly port?: number;
  readonly asNumber: number;
  /** In the node's own network, so that no router lies between. */
  readonly adjacent: boolean;
}

export interface BirdInput {
  readonly address: string;
  readonly asNumber: number;
  readonly listenPort?: number;
  readonly peers: readonly BirdPeer[];
  /** The node's own blocks. */
  readonly blocks: readonly string[];
  /** Own blocks that nobody else learns. */
  readonly innerBlocks: readonly string[];
  /** Networks that are reached here although their block is another node's: borrowed addresses, and blocks of nodes that are guests here. */
  readonly elsewhere: readonly string[];
}

/**
 * The whole configuration of BIRD 2. Equal input gives equal text.
 *
 * A neighbour whose BIRD is gone keeps its routes, also when it goes again before it has told them anew: an ordinary
 * graceful restart (RFC 4724) ends with the second loss, a long-lived one (RFC 9494) does not, so it begins at once.
 * BIRD that is started again waits as long for its neighbours, of which another may be starting too; until then the
 * kernel forwards by the routes of its former life.
 */
export function birdConfig(input: BirdInput): string {
  const peers = [...input.peers].sort((a, b) => (a.address < b.address ? -1 : 1));
  return `# Written by the yadokari agent; changes are overwritten.
log stderr { warning, error, fatal, bug };
router id ${input.address};
graceful restart wait 15;

protocol device {
  scan time 10;
}

protocol kernel {
  persist;
  scan time 10;
  graceful restart;
  merge paths on;
  ipv4 {
    import none;
    export where source = RTS_BGP || proto = "blocks" || proto = "inner";
  };
}

# More specific routes of a block stay on the node: what has none is dropped here and not sent around.
${statics('blocks', input.blocks)}
${statics('inner', input.innerBlocks)}
# What is reached here although its block is another node's; the kernel has the real routes.
${statics('elsewhere', input.elsewhere)}
template bgp neighbour {
  local ${input.address}${input.listenPort === undefined || input.listenPort === 179 ? '' : ` port ${input.listenPort}`} as ${input.asNumber};
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
${peers.map(peer).join('')}`;
}

function statics(name: string, networks: readonly string[]): string {
  const routes = [...networks].sort().map((network) => `  route ${network} blackhole;\n`);
  return `protocol static ${name} {\n  ipv4;\n${routes.join('')}}\n`;
}

function peer({ address, port, asNumber, adjacent }: BirdPeer): string {
  return `
protocol bgp peer_${address.replaceAll('.', '_')} from neighbour {
  neighbor ${address}${port === undefined ? '' : ` port ${port}`} as ${asNumber};
  ${adjacent ? 'direct' : 'multihop'};
}
`;
}
