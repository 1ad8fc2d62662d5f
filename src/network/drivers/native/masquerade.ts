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
  /** Guests that are nodes: the address of each, and the CIDR of a block of its pods. */
  readonly hosts: readonly { readonly address: string; readonly block: string }[];
  /** Addresses of guests by those that lead to them too. */
  readonly floating: ReadonlyMap<string, string>;
  /** Where what is asked of 169.254.169.254 is led to, and the guests of which it is. */
  readonly metadata: { readonly host: string; readonly port: number; readonly clients: readonly { readonly tap: string; readonly address: string }[] };
}

/**
 * The table `yadokari` as one nft transaction: what leaves a pool with natOutgoing towards the world gets the node's
 * address; pods, nodes and the nodes' network see the real one. A guest and its own pods answer each other directly,
 * past the host; where it was a Service that led the one to the other, the host's translation would be missed. So the
 * host puts its own address there, as it does for a pod that a Service leads to itself. A floating address leads to its
 * guest, which has it where it speaks to the world. What guests ask of
 * 169.254.169.254 is led to this node where they wanted it, by interface and address; all else goes its way.
 */
export function masqueradeRules(input: MasqueradeInput): string {
  return `table ip yadokari
delete table ip yadokari
table ip yadokari {
${set('pools', input.pools)}
${set('masqueraded', input.masqueraded)}
${set('nodes', [...input.nodes, input.network])}
${set('hairpins', [...input.hosts.flatMap(({ address, block }) => [`${address} . ${block}`, `${block} . ${address}`]), ...[...input.floating.values()].map((address) => `${address} . ${address}`)], 'ipv4_addr . ipv4_addr')}
${floatingRules(input.floating)}${metadataRules(input.metadata)}  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ct status dnat ip saddr . ip daddr @hairpins masquerade
${input.floating.size === 0 ? '' : `    ${TO_THE_WORLD} snat to ip saddr map @speaking\n`}    ip saddr @masqueraded ${TO_THE_WORLD} masquerade
  }
}
`;
}

/** By destination. */
const TO_THE_WORLD = 'ip daddr != @pools ip daddr != @nodes ip daddr != { 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 }';

function floatingRules(floating: ReadonlyMap<string, string>): string {
  if (floating.size === 0) return '';
  return `${map('floating', floating)}
${map('speaking', new Map([...floating].map(([outer, inner]) => [inner, outer])))}
  chain floating_forward {
    type nat hook prerouting priority dstnat; policy accept;
    dnat to ip daddr map @floating
  }
  chain floating_local {
    type nat hook output priority -100; policy accept;
    dnat to ip daddr map @floating
  }
`;
}

/** Nothing where nobody asks for any: a kernel may lack what it takes. */
function metadataRules({ host, port, clients }: MasqueradeInput['metadata']): string {
  if (clients.length === 0) return '';
  return `${set('metadata', clients.map(({ tap, address }) => `"${tap}" . ${address}`), 'ifname . ipv4_addr', false)}
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname . ip saddr @metadata ip daddr 169.254.169.254 tcp dport 80 dnat to ${host}:${port}
  }
`;
}

function map(name: string, entries: ReadonlyMap<string, string>): string {
  const sorted = [...entries].map(([from, to]) => `${from} : ${to}`).sort();
  return `  map ${name} {\n    type ipv4_addr : ipv4_addr\n    elements = { ${sorted.join(', ')} }\n  }`;
}

function set(name: string, elements: readonly string[], type = 'ipv4_addr', ofRanges = true): string {
  const sorted = [...new Set(elements)].sort();
  const list = sorted.length === 0 ? '' : `\n    elements = { ${sorted.join(', ')} }`;
  return `  set ${name} {\n    type ${type}${ofRanges ? '\n    flags interval' : ''}${type === 'ipv4_addr' ? '\n    auto-merge' : ''}${list}\n  }`;
}

/** Accepts workloads' traffic on hosts whose iptables FORWARD chain drops by default. */
export const FORWARD_RULES: readonly string[] = ['iifname "cali*" counter accept comment "yadokari"', 'oifname "cali*" counter accept comment "yadokari"'];
