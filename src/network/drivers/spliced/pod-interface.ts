import { contains, formatCidr, networkOf, parseAddress, parseCidr, type Cidr } from '../../address.ts';
import type { DhcpRoute } from '../../dhcp/answer.ts';
import { NetworkError } from '../../port.ts';
import { POD_INTERFACE, POD_LINK } from './names.ts';

/** What a CNI gave a pod, as its guest is to have it. */
export interface PodInterface {
  readonly address: string;
  /** 32 when the pod reaches nothing without a router but what the routes say. */
  readonly prefix: number;
  readonly macAddress: string;
  readonly mtu: number;
  readonly router?: string;
  /** All routes but that to the pod's own network; empty when the router alone says it. */
  readonly routes: readonly DhcpRoute[];
}

interface LinkJson {
  readonly mtu: number;
  readonly address: string;
  readonly addr_info?: readonly { readonly family: string; readonly local: string; readonly prefixlen: number; readonly scope?: string }[];
}

interface RouteJson {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
}

/** Lines for `ip -json -batch -` in the pod's namespace: brings the splice's end up and shows what the CNI made. */
export function showCommands(hostHasIpv6: boolean): string {
  return [
    // It must not speak for itself.
    ...(hostHasIpv6 ? [`link set dev ${POD_LINK} addrgenmode none`] : []),
    `link set dev ${POD_LINK} up`,
    `addr show dev ${POD_INTERFACE}`,
    `route show dev ${POD_INTERFACE}`,
  ].map((line) => `${line}\n`).join('');
}

/** Reads what these commands print. Throws NetworkNotReady (wait) as long as there is no address. */
export function parsePodInterface(output: string): PodInterface {
  const [links, table] = output.split('\n').filter((line) => line.startsWith('['));
  const link = (JSON.parse(links ?? '[]') as readonly LinkJson[])[0];
  const own = link?.addr_info?.find(({ family, scope }) => family === 'inet' && scope !== 'link' && scope !== 'host');
  if (link === undefined || own === undefined) throw new NetworkError('NetworkNotReady', `the pod has no IPv4 address on ${POD_INTERFACE} yet`, { disposition: 'wait' });
  const network: Cidr = { base: networkOf(parseAddress(own.local) ?? 0, own.prefixlen), prefix: own.prefixlen };
  const routes = (JSON.parse(table ?? '[]') as readonly RouteJson[]).flatMap(routeOf);
  const isOwn = ({ network: base, prefix, router }: DhcpRoute): boolean => router === ON_LINK && formatCidr({ base: parseAddress(base) ?? 0, prefix }) === formatCidr(network);
  // Some CNIs give an address of a network whose members are reached through the router only.
  const prefix = routes.some(isOwn) ? own.prefixlen : 32;
  const others = routes.filter((route) => !isOwn(route)).sort((a, b) => Number(b.router === ON_LINK) - Number(a.router === ON_LINK));
  const router = others.find((route) => route.prefix === 0 && route.router !== ON_LINK)?.router;
  const plain = others.length === 0 || (others.length === 1 && router !== undefined && prefix < 32 && contains(network, parseAddress(router) ?? 0));
  return { address: own.local, prefix, macAddress: link.address, mtu: link.mtu, ...(router === undefined ? {} : { router }), routes: plain ? [] : [...missing(routes), ...others] };
}

const ON_LINK = '0.0.0.0';

function routeOf({ dst, gateway }: RouteJson): readonly DhcpRoute[] {
  const cidr = parseCidr(dst === 'default' ? '0.0.0.0/0' : dst);
  if (cidr === undefined) return [];
  return [{ network: formatCidr(cidr).split('/')[0] ?? '', prefix: cidr.prefix, router: gateway ?? ON_LINK }];
}

/** Routes to routers that no route leads to: the pod's kernel was told by a flag that it reaches them, which DHCP has not. */
function missing(routes: readonly DhcpRoute[]): readonly DhcpRoute[] {
  const direct = routes.filter(({ router }) => router === ON_LINK).map(({ network, prefix }) => ({ base: parseAddress(network) ?? 0, prefix }));
  const routers = new Set(routes.map(({ router }) => router).filter((router) => router !== ON_LINK));
  const lost = [...routers].filter((router) => !direct.some((cidr) => contains(cidr, parseAddress(router) ?? 0)));
  return lost.map((network) => ({ network, prefix: 32, router: ON_LINK }));
}
