import { systemClock, type Clock } from '../base/clock.ts';
import { abortable } from './abortable.ts';
import { changesOf, differenceOf, isEmpty, stateOf, withServers, type Listings } from './inventory/changes.ts';
import { listed } from './inventory/listing.ts';
import { allServers, changedServers, latelyTouched, touchedServers, type ServerSync } from './inventory/server-sync.ts';
import { LISTED_KINDS, SOURCES, type ListedKind, type Pace } from './inventory/sources.ts';
import { EMPTY_STATE, type InventoryDifference, type InventoryKind, type InventoryState } from './inventory/state.ts';
import type { Cloud } from './port.ts';

export interface InventoryOptions {
  readonly clock?: Clock;
  /** How old lists of kinds may be that are not listed with each sync. Default 60 000 and 300 000. */
  readonly oftenMs?: number;
  readonly seldomMs?: number;
  /** How old the last whole list of servers may be; it finds changes that Nova does not tell of. Default 600 000. */
  readonly fullMs?: number;
  /** How far back changes of servers are asked for once more: clocks of a cloud differ, and changes are written after their time. Default 120 000. */
  readonly overlapMs?: number;
  /** Most objects of a kind. Default 50 000. */
  readonly most?: number;
}

export interface SyncResult {
  readonly state: InventoryState;
  /** To the state before. */
  readonly difference: InventoryDifference;
  /** Whether anything differs. */
  readonly changed: boolean;
  /** Whether servers were listed anew, rather than what changed of them. */
  readonly full: boolean;
  /** Kinds that the cloud has not got; there is none of them. */
  readonly missing: readonly InventoryKind[];
  /** Ids of servers that the cloud could say nothing of: they stay as they were known, or unknown. */
  readonly unreachable: readonly string[];
  /** Calls of the cloud while it went on, those of others included. */
  readonly requests: number;
}

/** What is kept between syncs; each sync that succeeds makes it anew, as a whole. */
interface Known {
  readonly state: InventoryState;
  readonly missing: ReadonlySet<InventoryKind>;
  /** By our own clock, when each was listed. */
  readonly listedAtMs: Readonly<Partial<Record<InventoryKind, number>>>;
  /** By Nova's clock, up to when changes of servers are known. */
  readonly serversDateMs: number;
  /** Servers that may not have shown yet what touched them: Nova learns of it a moment later. */
  readonly touched: ReadonlySet<string>;
}

const NOTHING: Known = { state: EMPTY_STATE, missing: new Set(), listedAtMs: {}, serversDateMs: 0, touched: new Set() };

/** All that one project has, kept up to date by asking for what has changed. */
export class Inventory {
  readonly #cloud: Cloud;
  readonly #options: Required<InventoryOptions>;
  #known = NOTHING;
  #last: Promise<unknown> = Promise.resolve();

  constructor(cloud: Cloud, options: InventoryOptions = {}) {
    this.#cloud = cloud;
    this.#options = { clock: systemClock, oftenMs: 60_000, seldomMs: 300_000, fullMs: 600_000, overlapMs: 120_000, most: 50_000, ...options };
  }

  /** As of the last sync that succeeded; empty before the first. */
  get state(): InventoryState {
    return this.#known.state;
  }

  /**
   * Brings it up to date. One that fails or is aborted has changed nothing, and the next tells of all that has changed
   * since the last that succeeded. Syncs that are asked for at once follow each other.
   */
  async sync(signal?: AbortSignal): Promise<SyncResult> {
    const before = this.#last;
    const mine = abortable(before, signal).then(() => this.#sync(signal));
    // What came of them is not kept.
    this.#last = Promise.allSettled([before, mine]).then(() => {});
    return mine;
  }

  async #sync(signal = new AbortController().signal): Promise<SyncResult> {
    signal.throwIfAborted();
    const before = this.#known;
    const [nowMs, requests] = [this.#options.clock.now(), this.#cloud.requests.total];
    const due = LISTED_KINDS.filter((kind) => this.#isDue(kind, nowMs));
    // Before the servers, so that a server is never older than what touched it.
    const listings = await this.#list(due, signal);
    const others = changesOf(before.state, listings);
    const ports = { ports: others.ports.merged };
    const touched = touchedServers(differenceOf(others), ports);
    const servers = await this.#servers(before, new Set([...touched, ...before.touched]), nowMs, signal);
    signal.throwIfAborted();
    const changes = withServers(others, before.state, servers.servers);
    // From here on nothing waits: it has happened as a whole, or not at all.
    this.#known = {
      state: stateOf(changes), missing: missingOf(before.missing, listings), serversDateMs: servers.dateMs,
      // At first everything is new; what was touched a moment ago is by the cloud's clock.
      touched: before.listedAtMs.servers === undefined ? latelyTouched(differenceOf(others), ports, servers.dateMs - this.#options.overlapMs) : touched,
      listedAtMs: { ...before.listedAtMs, ...Object.fromEntries([...due, ...(servers.full ? ['servers'] : [])].map((kind) => [kind, nowMs])) },
    };
    const difference = differenceOf(changes);
    return { state: this.#known.state, difference, changed: !isEmpty(difference), full: servers.full, unreachable: servers.unreachable, missing: [...this.#known.missing], requests: this.#cloud.requests.total - requests };
  }

  #isDue(kind: ListedKind, nowMs: number): boolean {
    const { oftenMs, seldomMs } = this.#options;
    const at = this.#known.listedAtMs[kind];
    const ages: Readonly<Record<Pace, number>> = { each: 0, often: oftenMs, seldom: seldomMs };
    return at === undefined || nowMs - at >= ages[SOURCES[kind].pace];
  }

  /** All at once; when one fails the others are ended too. */
  async #list(kinds: readonly ListedKind[], signal: AbortSignal): Promise<Listings> {
    const failed = new AbortController();
    const either = AbortSignal.any([failed.signal, signal]);
    const { listedAtMs, missing } = this.#known;
    const lists = kinds.map(async (kind) => [kind, await listed(this.#cloud, kind, listedAtMs[kind] !== undefined && !missing.has(kind), this.#options.most, either)] as const);
    try {
      return new Map(await Promise.all(lists));
    } catch (error) {
      failed.abort(error);
      await Promise.allSettled(lists);
      throw error;
    }
  }

  #servers({ state, serversDateMs, listedAtMs }: Known, touched: ReadonlySet<string>, nowMs: number, signal: AbortSignal): Promise<ServerSync> {
    const { fullMs, overlapMs, most } = this.#options;
    return listedAtMs.servers === undefined || nowMs - listedAtMs.servers >= fullMs
      ? allServers(this.#cloud, state.servers, most, signal)
      : changedServers(this.#cloud, state.servers, serversDateMs - overlapMs, touched, most, signal);
  }
}

function missingOf(before: ReadonlySet<InventoryKind>, listings: Listings): ReadonlySet<InventoryKind> {
  const listed = (kind: InventoryKind): boolean => listings.get(kind)?.kind === 'listed';
  return new Set([...[...before].filter((kind) => !listed(kind)), ...[...listings].flatMap(([kind, listing]) => (listing.kind === 'missing' ? [kind] : []))]);
}
