import { createHash } from 'node:crypto';
import { formatAddress, parseAddress } from '../../address.ts';

/** The anchor's interface, whichever CNI made it. */
export const POD_INTERFACE = 'eth0';
/** The pod's end of the splice. */
export const POD_LINK = 'yado0';

const TAP_PREFIX = 'yadot';
const LINK_PREFIX = 'yadov';

/** Names of what a guest has on the node, after its anchor as Calico names host interfaces, but with prefixes that no CNI uses. */
export interface SpliceNames {
  readonly tap: string;
  /** The node's end of the splice. */
  readonly link: string;
}

export function namesOf(namespace: string, pod: string): SpliceNames {
  const digest = createHash('sha1').update(`${namespace}.${pod}`).digest('hex').slice(0, 10);
  return { tap: `${TAP_PREFIX}${digest}`, link: `${LINK_PREFIX}${digest}` };
}

/** The guest's whole set of names, by any interface of the node; undefined for those that are no guest's. */
export function namesOfInterface(name: string): SpliceNames | undefined {
  const digest = /^yado[tv]([0-9a-f]{10})$/.exec(name)?.[1];
  return digest === undefined ? undefined : { tap: `${TAP_PREFIX}${digest}`, link: `${LINK_PREFIX}${digest}` };
}

/** The part of 169.254.0.0/16 that clouds, CNIs and DNS caches leave alone: 192.0 to 223.255. */
const FIRST = parseAddress('169.254.192.0') ?? 0;
const COUNT = 8192;

/**
 * An address of link scope for a tap's own end, by which DHCP's answers find it: the same for the same tap, unless
 * another one of the node has it.
 */
export function serverAddressOf(tap: string, taken: ReadonlySet<string>): string {
  const start = createHash('sha1').update(tap).digest().readUInt32BE() % COUNT;
  for (let step = 0; step < COUNT; step += 1) {
    const address = formatAddress(FIRST + ((start + step) % COUNT));
    if (!taken.has(address)) return address;
  }
  throw new RangeError('all addresses for DHCP servers are taken');
}
