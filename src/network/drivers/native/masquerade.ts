/** What the node's packet filter depends on. */
export interface MasqueradeInput {
  /** CIDRs of all pools. */
  readonly pools: readonly string[];
  /** CIDRs of the pools with natOutgoing. */
  readonly masqueraded: readonly string[];
  /** Addresses of all nodes. */
  readonly nodes: readonly string[];
  /** The node's own network. */
  readonly network: string;
}

/**
 * The table `yadokari` as one nft transaction: what leaves a pool with natOutgoing towards the world gets the node's
 * address; pods, nodes and the nodes' network see the real one.
 */
export function masqueradeRules(input: MasqueradeInput): string {
  return `table ip yadokari
delete table ip yadokari
table ip yadokari {
${set('pools', input.pools)}
${set('masqueraded', input.masqueraded)}
${set('nodes', [...input.nodes, input.network])}
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @masqueraded ip daddr != @pools ip daddr != @nodes ip daddr != { 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 } masquerade
  }
}
`;
}

function set(name: string, elements: readonly string[]): string {
  const sorted = [...new Set(elements)].sort();
  const list = sorted.length === 0 ? '' : `\n    elements = { ${sorted.join(', ')} }`;
  return `  set ${name} {\n    type ipv4_addr\n    flags interval\n    auto-merge${list}\n  }`;
}

/** Accepts workloads' traffic on hosts whose iptables FORWARD chain drops by default. */
export const FORWARD_RULES: readonly string[] = ['iifname "cali*" counter accept comment "yadokari"', 'oifname "cali*" counter accept comment "yadokari"'];
