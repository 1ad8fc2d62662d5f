import { access, writeFile } from 'node:fs/promises';
import { errnoOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { formatCidr, networkOf, parseAddress } from '../../address.ts';
import { NetworkError } from '../../port.ts';
import type { IpCommand } from './ip-batch.ts';

/** The gateway of every workload; the same everywhere, so that a guest can move. */
export const GATEWAY = '169.254.1.1';
/** Host's end of every workload's interface, as Calico sets it. */
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';

const EXISTS = /File exists|resource busy/;
const NO_ROUTE = /No such process/;
const ABSENT = /Cannot find device|No such (?:device|file)|does not exist/;

/** The interface that carries the node's address. */
export interface Uplink {
  readonly name: string;
  readonly mtu: number;
  readonly prefixLength: number;
  /** The node's network, such as `10.0.0.0/24`. */
  readonly network: string;
}

export interface TapSpec {
  readonly tap: string;
  readonly address: string;
  readonly macAddress: string;
  readonly mtu: number;
  /** Leads to the guest too. */
  readonly floatingAddress?: string;
}

export interface VethSpec {
  readonly hostInterface: string;
  readonly address: string;
  readonly macAddress: string;
  readonly mtu: number;
  /** Path of the pod's network namespace. */
  readonly namespace: string;
  /** Name inside the pod. */
  readonly name: string;
}

/** Makes a routed tap, or completes one that exists and had the floating address `former`; traffic of a live one is not interrupted. */
export function tapCommands(spec: TapSpec, exists: boolean, former?: string): readonly IpCommand[] {
  return [
    ...(exists ? [] : [{ text: `tuntap add dev ${spec.tap} mode tap`, tolerate: EXISTS }, { text: `link set dev ${spec.tap} address ${HOST_MAC}` }]),
    { text: `link set dev ${spec.tap} mtu ${spec.mtu} up` },
    { text: `route replace ${spec.address}/32 dev ${spec.tap} scope link` },
    // The guest is reached before it has spoken, and nobody can take its place by ARP.
    { text: `neigh replace ${spec.address} lladdr ${spec.macAddress} dev ${spec.tap} nud permanent` },
    // So that the node itself has a way there before the packet filter translates it: the rest of the pool leads nowhere.
    ...(spec.floatingAddress === undefined ? [] : [{ text: `route replace ${spec.floatingAddress}/32 dev ${spec.tap} scope link` }]),
    ...(exists && former !== undefined && former !== spec.floatingAddress ? [{ text: `route del ${former}/32 dev ${spec.tap}`, tolerate: NO_ROUTE }] : []),
  ];
}

export function vethCommands(spec: VethSpec): readonly IpCommand[] {
  return [
    removeCommand(spec.hostInterface),
    { text: `link add dev ${spec.hostInterface} address ${HOST_MAC} mtu ${spec.mtu} type veth peer name ${spec.name} address ${spec.macAddress} mtu ${spec.mtu} netns ${spec.namespace}` },
    { text: `link set dev ${spec.hostInterface} up` },
    { text: `route replace ${spec.address}/32 dev ${spec.hostInterface} scope link` },
  ];
}

/** The pod's side. The permanent neighbour makes it independent of proxy ARP. */
export function podCommands(spec: VethSpec): readonly IpCommand[] {
  return [
    { text: 'link set dev lo up' },
    { text: `addr replace ${spec.address}/32 dev ${spec.name}` },
    { text: `link set dev ${spec.name} up` },
    { text: `neigh replace ${GATEWAY} lladdr ${HOST_MAC} dev ${spec.name} nud permanent` },
    { text: `route replace ${GATEWAY} dev ${spec.name} scope link` },
    { text: `route replace default via ${GATEWAY} dev ${spec.name}` },
  ];
}

export function removeCommand(name: string): IpCommand {
  return { text: `link del dev ${name}`, tolerate: ABSENT };
}

/** Whether the interface exists in this process's namespace (/sys may show another one's). */
export async function interfaceExists(name: string): Promise<boolean> {
  return access(`/proc/sys/net/ipv4/conf/${name}`).then(() => true, () => false);
}

/** Host's end of a workload: answers ARP for everything at once, accepts only the workload's own address. */
export async function setWorkloadSysctls(name: string): Promise<void> {
  await setSysctls({
    [`ipv4/conf/${name}/proxy_arp`]: '1',
    [`ipv4/neigh/${name}/proxy_delay`]: '0',
    [`ipv4/conf/${name}/forwarding`]: '1',
    [`ipv4/conf/${name}/rp_filter`]: '1',
    [`ipv4/conf/${name}/route_localnet`]: '0',
    // A guest that is a node sends what its pods say to each other this way too.
    [`ipv4/conf/${name}/send_redirects`]: '0',
  });
  // A host without IPv6 has no such file.
  await setSysctls({ [`ipv6/conf/${name}/disable_ipv6`]: '1' }).catch(() => {});
}

/** Writes below /proc/sys/net. */
export async function setSysctls(values: Readonly<Record<string, string>>): Promise<void> {
  try {
    await Promise.all(Object.entries(values).map(([name, value]) => writeFile(`/proc/sys/net/${name}`, value)));
  } catch (error) {
    throw new NetworkError('InterfaceError', errnoOf(error) === 'EROFS' ? 'kernel settings under /proc/sys are read-only here; run the agent privileged' : 'a kernel setting could not be written', { cause: error });
  }
}

interface LinkJson {
  readonly ifname: string;
  readonly mtu: number;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  readonly linkinfo?: { readonly info_kind?: string };
}

export async function findUplink(address: string, signal?: AbortSignal): Promise<Uplink> {
  const links = JSON.parse(await run('ip', ['-4', '-json', 'addr', 'show'], signal === undefined ? {} : { signal })) as readonly LinkJson[];
  for (const link of links) {
    const found = link.addr_info?.find((info) => info.local === address);
    if (found === undefined) continue;
    const prefixLength = found.prefixlen ?? 32;
    return { name: link.ifname, mtu: link.mtu, prefixLength, network: formatCidr({ base: networkOf(parseAddress(address) ?? 0, prefixLength), prefix: prefixLength }) };
  }
  throw new NetworkError('NetworkNotReady', `no interface of this host has the node's address ${address}; correct the address or bring the interface up`);
}

/** `veth`, `tun`, …; undefined when the interface does not exist. */
export async function kindOfInterface(name: string): Promise<string | undefined> {
  if (!(await interfaceExists(name))) return undefined;
  const text = await run('ip', ['-json', '-d', 'link', 'show', 'dev', name]).catch(() => '[]');
  return (JSON.parse(text) as readonly LinkJson[])[0]?.linkinfo?.info_kind;
}
