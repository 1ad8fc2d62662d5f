import { writeFile } from 'node:fs/promises';
import { run } from '../base/process.ts';
import { macAddress, type HostNetworkUse, type NetworkPlan } from './network-plan.ts';

interface Link { readonly ifname: string }
interface Route { readonly dst?: string }
interface AddressInfo { readonly addr_info: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[] }

/** What the host uses now, from the kernel. */
export async function readNetworkUse(): Promise<Pick<HostNetworkUse, 'links' | 'networks'>> {
  const [links, routes, addresses] = await Promise.all([
    run('ip', ['-j', 'link']), run('ip', ['-4', '-j', 'route', 'show', 'table', 'all']), run('ip', ['-4', '-j', 'addr']),
  ]);
  const destinations = (JSON.parse(routes || '[]') as readonly Route[]).flatMap((route) => (route.dst === undefined || route.dst === 'default' ? [] : [route.dst]));
  const own = (JSON.parse(addresses || '[]') as readonly AddressInfo[])
    .flatMap((link) => link.addr_info ?? []).map((address) => `${address.local}/${address.prefixlen}`);
  return { links: new Set((JSON.parse(links) as readonly Link[]).map((link) => link.ifname)), networks: [...destinations, ...own] };
}

/** The state folder of the cluster that has the bridge, as its alias says; undefined when there is no bridge, or nobody's. */
export async function networkOwner({ bridge }: NetworkPlan): Promise<string | undefined> {
  const [link] = JSON.parse(await run('ip', ['-j', 'link', 'show', 'dev', bridge]).catch(() => '[]')) as readonly { readonly ifalias?: string }[];
  return link?.ifalias;
}

/**
 * Bridge, forwarding, masquerade and the rule that leads to the cluster's routes; these are BIRD's to make, or given as
 * lines for `ip -batch`. `owner` is the cluster's state folder. Idempotent.
 */
export async function ensureHostNetwork(plan: NetworkPlan, owner: string, routes = ''): Promise<void> {
  const { bridge, gateway, podPool, routeTable } = plan;
  await run('ip', ['link', 'add', bridge, 'address', macAddress(plan, 1), 'type', 'bridge', 'forward_delay', '0']).catch(async (error: unknown) => {
    await run('ip', ['link', 'show', bridge]).catch(() => { throw error; });
  });
  await run('ip', ['-batch', '-'], { input: `link set ${bridge} alias ${owner}\naddr replace ${gateway}/24 dev ${bridge}\nlink set ${bridge} up\n${routes}` });
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  const rules = await run('ip', ['-4', 'rule', 'show']);
  if (!rules.includes(`lookup ${routeTable}`)) await run('ip', ['rule', 'add', 'to', podPool, 'lookup', String(routeTable), 'priority', String(routeTable)]);
  await run('nft', ['-f', '-'], { input: masqueradeTable(plan) });
  await admitForwarding(plan);
}

/** What leaves the cluster's own networks by another device of the host takes the host's address. */
export function masqueradeTable(plan: NetworkPlan): string {
  return `table ip ${plan.bridge}
delete table ip ${plan.bridge}
table ip ${plan.bridge} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr { ${plan.subnet}, ${plan.podPool} } ip daddr != { ${plan.subnet}, ${plan.podPool} } oifname != "${plan.bridge}" masquerade
  }
}
`;
}

/** Where the host's firewall drops forwarded packets by default (as Docker sets it), ours are let through. */
async function admitForwarding(plan: NetworkPlan): Promise<void> {
  const chain = await run('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD']).catch(() => '');
  if (!chain.includes('policy drop') || chain.includes(`"${plan.bridge}"`)) return;
  const rules = ['iifname', 'oifname'].map((direction) => `insert rule ip filter FORWARD ${direction} "${plan.bridge}" counter accept`);
  await run('nft', ['-f', '-'], { input: `${rules.join('\n')}\n` });
}

/** Removes all of it, whoever left it behind. No error for what is not there. */
export async function removeHostNetwork(plan: NetworkPlan): Promise<void> {
  await withdrawForwarding(plan);
  await run('ip', ['link', 'del', plan.bridge]).catch(() => {});
  await run('ip', ['route', 'flush', 'table', String(plan.routeTable)]).catch(() => {});
  await run('ip', ['rule', 'del', 'to', plan.podPool, 'lookup', String(plan.routeTable), 'priority', String(plan.routeTable)]).catch(() => {});
  await run('nft', ['delete', 'table', 'ip', plan.bridge]).catch(() => {});
}

async function withdrawForwarding(plan: NetworkPlan): Promise<void> {
  const text = await run('nft', ['-a', 'list', 'chain', 'ip', 'filter', 'FORWARD']).catch(() => '');
  for (const line of text.split('\n').filter((line) => line.includes(`"${plan.bridge}"`))) {
    const handle = /# handle (\d+)$/.exec(line)?.[1];
    if (handle !== undefined) await run('nft', ['delete', 'rule', 'ip', 'filter', 'FORWARD', 'handle', handle]).catch(() => {});
  }
}

/** BIRD that is started again keeps the routes of its former life until its neighbours have told it theirs. */
export const birdAgain = { afterEnd: ['-R'] };

/** BIRD on the host: learns from the nodes where workloads are, tells them nothing. Its routes have a table of their own, since one BIRD removes the routes of another. */
export function hostBirdConfig(plan: NetworkPlan): string {
  return `log stderr all;
router id ${plan.gateway};
graceful restart wait 15;
protocol device { scan time 10; }
protocol kernel {
  persist;
  graceful restart;
  kernel table ${plan.routeTable};
  ipv4 { import none; export where source = RTS_BGP; };
}
protocol bgp nodes {
  local ${plan.gateway} as 64512;
  neighbor range ${plan.subnet} as 64512;
  dynamic name "node";
  strict bind yes;
  direct;
  passive on;
  graceful restart on;
  graceful restart time 0;
  long lived graceful restart on;
  long lived stale time 120;
  ipv4 { import where net ~ [ ${plan.podPool}{16,32} ]; export none; };
}
`;
}
