import type { IpCommand } from '../native/ip-batch.ts';
import { removeCommand } from '../native/interfaces.ts';
import { POD_INTERFACE, POD_LINK, type SpliceNames } from './names.ts';

const EXISTS = /File exists|Exclusivity flag on|resource busy/;
const NONE = /Cannot find|No such file|Invalid handle|not found/;
/** The middle of the way is never narrower than its ends. */
const WIDEST_MTU = 65535;
/** Of our filters; DHCP's comes first. */
const [DHCP_PRIORITY, SPLICE_PRIORITY] = [1, 2];

/** The pair between node and pod, made anew: what an earlier one was spliced to goes with it. `namespace` is the path of the pod's. */
export function linkCommands({ link }: SpliceNames, namespace: string): readonly IpCommand[] {
  return [
    removeCommand(link),
    // One command, by name: a kept ip remembers the number of an interface that went with its pod.
    { text: `link add dev ${link} mtu ${WIDEST_MTU} up type veth peer name ${POD_LINK} mtu ${WIDEST_MTU} netns ${namespace}` },
  ];
}

/** The guest's tap, with an address of the node's that nobody but DHCP uses. */
export function tapCommands({ tap }: SpliceNames, mtu: number, server: string): readonly IpCommand[] {
  return [
    { text: `tuntap add dev ${tap} mode tap`, tolerate: EXISTS },
    { text: `link set dev ${tap} mtu ${mtu} up` },
    // Of link scope, so that it answers but is never chosen as a source.
    { text: `addr replace ${server}/32 dev ${tap} scope link` },
  ];
}

/** Lines for tc on the node: whatever comes from the guest goes to the pod, but for what it asks of DHCP, and the other way round. */
export function nodeFilters({ tap, link }: SpliceNames): readonly IpCommand[] {
  return [
    { text: `qdisc add dev ${tap} clsact`, tolerate: EXISTS },
    // A filter without an action lets a packet through to this node.
    { text: `filter del dev ${tap} ingress prio ${DHCP_PRIORITY}`, tolerate: NONE },
    { text: `filter add dev ${tap} ingress protocol ip prio ${DHCP_PRIORITY} u32 match ip protocol 17 0xff match ip dport 67 0xffff flowid ffff:1` },
    ...redirect(tap, link),
    ...redirect(link, tap),
  ];
}

/** Lines for tc in the pod: its interface and its end of the splice are one. The pod's own kernel sees nothing of it any more. */
export function podFilters(): readonly IpCommand[] {
  return [...redirect(POD_LINK, POD_INTERFACE), ...redirect(POD_INTERFACE, POD_LINK)];
}

function redirect(from: string, to: string): readonly IpCommand[] {
  return [
    { text: `qdisc add dev ${from} clsact`, tolerate: EXISTS },
    { text: `filter del dev ${from} ingress prio ${SPLICE_PRIORITY}`, tolerate: NONE },
    { text: `filter add dev ${from} ingress protocol all prio ${SPLICE_PRIORITY} u32 match u32 0 0 action mirred egress redirect dev ${to}` },
  ];
}
