import { systemClock, type Clock } from '../../base/clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import { contains, formatCidr, liesWithin, networkOf, parseAddress } from '../address.ts';
import { losslessCodec } from '../calico/lossless-codec.ts';
import type { IPAMBlock, IPAMHandle } from '../calico/kinds.ts';
import { containerOfHandle } from '../handle.ts';
import { KeyedLock } from '../keyed-lock.ts';
import { NetworkError, type AddressHandle, type AssignRequest, type Ipam } from '../port.ts';
import { affinityOf, allocateAddress, allocateNext, allocationsOf, allocationsOfHandle, hasRoom, reap, releaseAllocations, type Owner } from './block.ts';
import { blockCidrsOf, BlockClaims } from './block-claim.ts';
import { BlockStore } from './block-store.ts';
import { HandleStore } from './handle-store.ts';
import { SettingsReader, type IpamSettings, type Pool } from './settings.ts';

export interface CalicoIpamOptions {
  readonly client: KubeClient;
  readonly clock?: Clock;
  /** How long pools and configuration are remembered, in milliseconds. Default 1000. */
  readonly settingsTtlMs?: number;
}

/** One run of an assignment: everything that its steps need. */
interface Attempt {
  readonly request: AssignRequest;
  readonly owner: Owner;
  readonly settings: IpamSettings;
  readonly existing: IPAMHandle | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Somebody else wrote the handle: begin again. */
const AGAIN = Symbol('again');
const MAX_TRIES = 100;

/**
 * Addresses by Calico's datastore model. An assignment writes the handle, then the block, and takes the handle back
 * when the block refuses, so that a crash in between leaves at most a handle that counts too much.
 */
export class CalicoIpam implements Ipam {
  readonly #clock: Clock;
  readonly #settings: SettingsReader;
  readonly #handles: HandleStore;
  readonly #lock = new KeyedLock();
  /** CIDRs of a node's own blocks as last seen, the one used last in front. */
  readonly #own = new Map<string, readonly string[]>();
  readonly blocks: BlockStore;
  readonly claims: BlockClaims;

  constructor(options: CalicoIpamOptions) {
    const client = options.client.withCodec(losslessCodec);
    this.#clock = options.clock ?? systemClock;
    this.#settings = new SettingsReader(client, options.settingsTtlMs ?? 1000, this.#clock);
    this.#handles = new HandleStore(client);
    this.blocks = new BlockStore(client, this.#clock);
    this.claims = new BlockClaims(client, this.blocks, this.#clock);
  }

  assign(request: AssignRequest, signal?: AbortSignal): Promise<string> {
    return this.#lock.run(request.handle, async () => {
      const settings = await this.#settings.current();
      const owner = { handle: request.handle, attributes: request.attributes };
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const existing = await this.#handles.read(request.handle, signal);
        const held = existing === undefined ? [] : await this.#held(existing, signal);
        if (request.requested === undefined && held[0] !== undefined) return held[0];
        if (request.requested !== undefined && held.includes(request.requested)) {
          if (held.length > 1) await this.#giveUp(request.handle, settings, request.requested, signal);
          return request.requested;
        }
        const attempt = { request, owner, settings, existing, signal };
        const address = request.requested === undefined ? await this.#automatic(attempt) : await this.#requested(attempt, request.requested);
        if (address === AGAIN) continue;
        // The user fixed another address than before: the former goes once the new one is held.
        if (held.length > 0) await this.#giveUp(request.handle, settings, address, signal);
        return address;
      }
      throw new NetworkError('DatastoreConflict', `${request.handle} was changed by others ${MAX_TRIES} times in a row; trying again later`);
    });
  }

  release(handle: AddressHandle, signal?: AbortSignal): Promise<void> {
    return this.#lock.run(handle, async () => this.#giveUp(handle, await this.#settings.current(), undefined, signal));
  }

  async addressesOf(handle: AddressHandle, signal?: AbortSignal): Promise<readonly string[]> {
    const existing = await this.#handles.read(handle, signal);
    return existing === undefined ? [] : this.#held(existing, signal);
  }

  async nodes(signal?: AbortSignal): Promise<readonly string[]> {
    return this.claims.nodes(signal);
  }

  async releaseNode(node: string, signal?: AbortSignal): Promise<void> {
    this.#own.delete(node);
    const allocations = (await this.blocks.listAll(signal)).flatMap((block) => allocationsOf(block.spec));
    const ofContainers = allocations.flatMap(({ handle = '', attributes }) => (attributes['node'] === node && containerOfHandle(handle) !== undefined ? [handle as AddressHandle] : []));
    for (const handle of new Set(ofContainers)) await this.release(handle, signal);
    for (const affinity of await this.claims.affinitiesOf(node, signal)) {
      const block = await this.blocks.read(affinity.spec.cidr, signal);
      if (block !== undefined && block.spec.affinity === affinityOf(node)) await this.claims.release(block, signal);
    }
  }

  async #held(handle: IPAMHandle, signal?: AbortSignal): Promise<readonly string[]> {
    const addresses: string[] = [];
    for (const cidr of Object.keys(handle.spec.block)) {
      const block = await this.blocks.read(cidr, signal);
      if (block !== undefined) addresses.push(...allocationsOfHandle(block.spec, handle.spec.handleID).map(({ address }) => address));
    }
    return addresses;
  }

  /** Releases all addresses of the handle but `keep`, then the handle if nothing is kept. */
  async #giveUp(handle: string, settings: IpamSettings, keep: string | undefined, signal?: AbortSignal): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const existing = await this.#handles.read(handle, signal);
      if (existing === undefined) return;
      for (const cidr of Object.keys(existing.spec.block)) {
        await this.blocks.edit(cidr, (block) => {
          const released = allocationsOfHandle(block, handle).filter(({ address }) => address !== keep);
          const changed = releaseAllocations(block, released, settings.cooldownSeconds, this.#clock.now());
          return changed === undefined ? { result: undefined } : { block: changed, result: undefined };
        }, signal);
      }
      if (keep !== undefined || (await this.#handles.remove(existing, signal))) return;
    }
    throw new NetworkError('DatastoreConflict', `${handle} was changed by others ${MAX_TRIES} times in a row; trying again later`);
  }

  async #requested(attempt: Attempt, address: string): Promise<string | typeof AGAIN> {
    const { request, owner, settings, signal } = attempt;
    const number = parseAddress(address);
    const pool = settings.pools.find((candidate) => number !== undefined && contains(candidate.cidr, number) && (request.manualOnly !== true || candidate.manual));
    if (number === undefined || pool === undefined) {
      throw new NetworkError('AddressOutsidePools', `${address} lies in no enabled IPPool${request.manualOnly === true ? ' with assignmentMode: Manual' : ''}; choose another one or add a pool`, { disposition: 'stalled' });
    }
    const cidr = formatCidr({ base: networkOf(number, pool.blockSize), prefix: pool.blockSize });
    const block = (await this.blocks.recent(cidr, signal)) ?? (await this.claims.claim(cidr, request.node, signal));
    if (block === undefined) return AGAIN;
    if (settings.strictAffinity && block.spec.affinity !== affinityOf(request.node)) {
      throw new NetworkError('AddressInUse', `${address} lies in a block of ${block.spec.affinity ?? 'no node'} and IPAMConfig demands strict affinity`, { disposition: 'stalled' });
    }
    const taken = await this.#take(attempt, cidr, (current) => {
      const changed = allocateAddress(current, address, owner);
      return changed === undefined ? undefined : { block: changed, address };
    });
    if (taken === undefined) throw new NetworkError('AddressInUse', `${address} is held by another workload; release it there or choose another one`);
    return taken;
  }

  async #automatic(attempt: Attempt): Promise<string | typeof AGAIN> {
    const { request, settings, owner } = attempt;
    const pools = await this.#settings.poolsFor(settings, request.node, request.attributes['namespace'], request.pools);
    const tried = new Set<string>();
    for (;;) {
      const found = await this.#lock.run(`node ${request.node}`, () => this.#blockWithRoom(attempt, pools, tried));
      if (found === undefined) {
        throw new NetworkError('PoolExhausted', pools.length === 0
          ? `no IPPool serves node ${request.node}; add one or check nodeSelector and disabled of the existing ones`
          : `no address is free in the IPPools ${pools.map(({ name }) => name).join(', ')}; add a pool or release addresses`, { disposition: 'wait' });
      }
      const taken = await this.#take(attempt, found.cidr, (current) =>
        found.affine && current.affinity !== affinityOf(request.node) ? undefined : allocateNext(current, owner, settings.isReserved));
      if (taken !== undefined) {
        if (found.affine && taken !== AGAIN) this.#remember(request.node, found.cidr);
        return taken;
      }
      tried.add(found.cidr);
    }
  }

  /** Own blocks, then a new one, then an idle one of another node, then room in another node's block. */
  async #blockWithRoom(attempt: Attempt, pools: readonly Pool[], tried: ReadonlySet<string>): Promise<{ readonly cidr: string; readonly affine: boolean } | undefined> {
    const { request, settings, signal } = attempt;
    const { node } = request;
    const usable = (cidr: string): boolean => !tried.has(cidr) && pools.some((pool) => liesWithin(cidr, formatCidr(pool.cidr)));
    const roomy = (block: IPAMBlock): boolean => hasRoom(reap(block.spec, settings.cooldownSeconds, this.#clock.now()), settings.isReserved);
    for (const cidr of (this.#own.get(node) ?? []).filter(usable)) {
      const block = await this.blocks.recent(cidr, signal);
      if (block?.spec.affinity === affinityOf(node) && roomy(block)) return { cidr, affine: true };
    }
    const [all, affinities] = await Promise.all([this.blocks.listAll(signal), this.claims.affinitiesOf(node, signal)]);
    const byCidr = new Map(all.map((block) => [block.spec.cidr, block]));
    const confirmed = affinities.filter(({ spec }) => spec.state === 'confirmed').map(({ spec }) => spec.cidr);
    this.#own.set(node, confirmed);
    for (const cidr of confirmed.filter(usable)) {
      const block = byCidr.get(cidr);
      if (block?.spec.affinity === affinityOf(node) && roomy(block)) return { cidr, affine: true };
    }
    // What a crash left behind: blocks of ours without a confirmed affinity, and affinities without a block.
    const halfClaimed = [...all.filter(({ spec }) => spec.affinity === affinityOf(node)).map(({ spec }) => spec.cidr), ...affinities.map(({ spec }) => spec.cidr)];
    const unfinished = halfClaimed.filter((cidr) => usable(cidr) && (!confirmed.includes(cidr) || !byCidr.has(cidr)));
    const mayClaim = settings.autoAllocateBlocks && confirmed.length < settings.maxBlocksPerHost;
    const fresh = mayClaim ? this.#freeCidrs(node, pools, byCidr, usable) : [];
    for (const cidr of concat(unfinished, fresh)) {
      const block = await this.claims.claim(cidr, node, signal);
      if (block?.spec.affinity === affinityOf(node) && roomy(block)) return { cidr, affine: true };
    }
    const reclaimed = mayClaim ? await this.claims.reclaim(node, pools, all.filter(({ spec }) => usable(spec.cidr)), signal) : undefined;
    if (reclaimed !== undefined && (await this.claims.claim(reclaimed, node, signal))?.spec.affinity === affinityOf(node)) return { cidr: reclaimed, affine: true };
    if (settings.strictAffinity || request.ownBlocksOnly === true) return undefined;
    const lender = all.find((block) => usable(block.spec.cidr) && roomy(block));
    return lender === undefined ? undefined : { cidr: lender.spec.cidr, affine: false };
  }

  *#freeCidrs(node: string, pools: readonly Pool[], known: ReadonlyMap<string, IPAMBlock>, usable: (cidr: string) => boolean): Generator<string> {
    for (const pool of pools) for (const cidr of blockCidrsOf(pool, node)) if (!known.has(cidr) && usable(cidr)) yield cidr;
  }

  /** Handle first, then block; undefined when the block has nothing to give. */
  async #take(attempt: Attempt, cidr: string, choose: (block: IPAMBlock['spec']) => { readonly block: IPAMBlock['spec']; readonly address: string } | undefined): Promise<string | typeof AGAIN | undefined> {
    const { request, settings, existing, signal } = attempt;
    const handle = await this.#handles.add(request.handle, cidr, existing, signal);
    if (handle === undefined) return AGAIN;
    const address = await this.blocks.edit(cidr, (block) => {
      const [held] = allocationsOfHandle(block, request.handle);
      if (held !== undefined && request.requested === undefined) return { result: held.address };
      const chosen = choose(reap(block, settings.cooldownSeconds, this.#clock.now()));
      return chosen === undefined ? { result: undefined } : { block: chosen.block, result: chosen.address };
    }, signal);
    if (address !== undefined) return address;
    // The attempt's picture of the handle is outdated by this write either way.
    await this.#handles.drop(handle, cidr, signal);
    return request.requested === undefined ? AGAIN : undefined;
  }

  #remember(node: string, cidr: string): void {
    const own = this.#own.get(node) ?? [];
    if (own[0] !== cidr) this.#own.set(node, [cidr, ...own.filter((other) => other !== cidr)]);
  }
}

function* concat<T>(...parts: readonly Iterable<T>[]): Generator<T> {
  for (const part of parts) yield* part;
}
