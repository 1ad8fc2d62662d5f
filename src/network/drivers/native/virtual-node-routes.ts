import { run } from '../../../base/process.ts';
import type { BlockAffinity } from '../../calico/kinds.ts';
import { blocksOf } from './bird-input.ts';
import type { IpBatch, IpCommand } from './ip-batch.ts';

/** A guest that is a node, and how it is reached. */
export interface VirtualNodeRoute {
  /** Name of its Node. */
  readonly node: string;
  readonly tap: string;
  readonly address: string;
}

/** Marks our routes among the kernel's, so that those of a former life are known. */
const PROTOCOL = 88;
const ABSENT = /No such process|Cannot find device/;

/** Routes of this host to the blocks of nodes that are its guests. */
export class VirtualNodeRoutes {
  readonly #batch: IpBatch;
  /** Tap by network, as the kernel has them; undefined until it was asked. */
  #known: Map<string, string> | undefined;

  constructor(batch: IpBatch) {
    this.#batch = batch;
  }

  async apply(guests: readonly VirtualNodeRoute[], affinities: readonly BlockAffinity[], signal: AbortSignal): Promise<void> {
    this.#known ??= await knownRoutes(signal);
    const known = this.#known;
    const byNode = new Map(guests.map((guest) => [guest.node, guest]));
    const wanted = new Map(blocksOf(affinities, new Set(byNode.keys())).map(({ node, cidr }) => [cidr, byNode.get(node)] as const));
    const commands: IpCommand[] = [];
    for (const [cidr, tap] of known) {
      if (wanted.get(cidr)?.tap !== tap) commands.push({ text: `route del ${cidr} dev ${tap} proto ${PROTOCOL}`, tolerate: ABSENT });
    }
    for (const [cidr, guest] of wanted) {
      // A tap that was made anew has lost its routes: said again each time.
      if (guest !== undefined) commands.push({ text: `route replace ${cidr} via ${guest.address} dev ${guest.tap} onlink proto ${PROTOCOL}` });
    }
    await this.#batch.run(commands);
    this.#known = new Map([...wanted].flatMap(([cidr, guest]) => (guest === undefined ? [] : [[cidr, guest.tap]])));
  }
}

async function knownRoutes(signal: AbortSignal): Promise<Map<string, string>> {
  const routes = JSON.parse(await run('ip', ['-4', '-json', 'route', 'show', 'proto', String(PROTOCOL)], { signal }) || '[]') as readonly { readonly dst: string; readonly dev: string }[];
  return new Map(routes.map(({ dst, dev }) => [dst, dev]));
}
