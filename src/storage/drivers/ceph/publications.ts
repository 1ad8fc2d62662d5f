import { messageOf } from '../../../base/errors.ts';
import { StorageError, type Fence, type Publishing, type Sharing } from '../../port.ts';
import { Catalog, type Place } from './catalog.ts';
import { Clients, type ClientRecord } from './clients.ts';
import type { CephConnection } from './connection.ts';
import { fence, type DataPools } from './fence.ts';

interface Publication {
  readonly volume: string;
  readonly node: string;
  readonly sharing: Sharing;
  /** `ending`: the node is being kept from it; whoever attaches now may not. */
  readonly state: 'published' | 'ending';
}

export interface PublicationsOptions {
  readonly connection: CephConnection;
  /** Where the records are. */
  readonly place: Place;
  /** Where volumes' content is, for whoever is shut out. */
  readonly pools: DataPools;
  /** Rejects with VolumeNotFound. */
  readonly ensureVolume: (id: string) => Promise<unknown>;
}

/** Longer than anybody waits for a node that is frozen. */
const SHUT_OUT_SECONDS = 365 * 24 * 3600;

/**
 * Which node has which volume, kept in the cluster beside the volumes. A node that attaches writes down its client first
 * and then looks whether it has the volume; whoever takes the volume from it writes that down first and then looks for
 * clients. So one of the two sees the other, wherever either is frozen meanwhile.
 */
export class Publications implements Publishing {
  readonly #options: PublicationsOptions;
  readonly #records: Catalog<Publication>;
  readonly #clients: Clients;

  constructor(options: PublicationsOptions) {
    this.#options = options;
    this.#records = new Catalog(options.connection, options.place, 'published');
    this.#clients = new Clients(options.connection, options.place);
  }

  async publish(id: string, node: string, sharing: Sharing): Promise<void> {
    const key = keyOf(id, node);
    if (isSettled(await this.#records.get(key), sharing)) return void await this.#options.ensureVolume(id);
    await this.#records.turn(id, async () => {
      const [found] = await Promise.all([this.#of(id), this.#options.ensureVolume(id)]);
      const all = found.map(([, one]) => one);
      const own = all.find((one) => one.node === node);
      if (own?.state === 'ending') throw new StorageError('BackendUnreachable', `volume ${id} is just being taken from node ${node}; it is to be asked for again`, { disposition: 'wait' });
      const inTheWay = all.filter((one) => one.node !== node && (sharing === 'one node' || one.sharing === 'one node'));
      if (inTheWay.length > 0) throw new StorageError('VolumeInUse', `volume ${id} is published to node ${inTheWay.map((one) => one.node).join(', ')}, and node ${node} cannot have it as well`);
      await this.#records.put(key, { volume: id, node, sharing, state: 'published' });
    });
  }

  async shutOut(id: string, node: string): Promise<Fence | undefined> {
    const key = keyOf(id, node);
    const known = await this.#records.get(key);
    if (known === undefined) return undefined;
    if (known.state === 'published') await this.#records.put(key, { ...known, state: 'ending' });
    const clients = await this.#clients.of(node, id);
    if (clients.length === 0) return undefined;
    const atMs = Math.min(...clients.map(([, { fencedAtMs = Date.now() }]) => fencedAtMs));
    await Promise.all(clients.map(([, { address }]) => fence(this.#options.connection, address, SHUT_OUT_SECONDS)));
    await this.#options.pools.told();
    await Promise.all(clients.map(([, client]) => this.#clients.put({ ...client, fencedAtMs: client.fencedAtMs ?? atMs })));
    return { atMs, how: `Ceph takes nothing more from ${clients.map(([, { address }]) => address).join(', ')}` };
  }

  async release(id: string, node: string): Promise<void> {
    await this.#records.remove(keyOf(id, node));
  }

  async published(id?: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const found = new Map<string, string[]>();
    for (const [, { volume, node }] of id === undefined ? await this.#records.all() : await this.#of(id)) found.set(volume, [...found.get(volume) ?? [], node]);
    return found;
  }

  /** Rejects with VolumeInUse; for whoever has the volume's turn. */
  async mustBeNobodys(id: string): Promise<void> {
    const nodes = (await this.#of(id)).map(([, { node }]) => node);
    if (nodes.length > 0) throw new StorageError('VolumeInUse', `volume ${id} is published to node ${nodes.join(', ')}`);
  }

  /** Rejects with NotAttached where the node has not got the volume. */
  async mustHave(id: string, node: string): Promise<void> {
    if ((await this.#records.get(keyOf(id, node)))?.state !== 'published') throw new StorageError('NotAttached', `volume ${id} is not published to node ${node}`);
  }

  /**
   * A client of this node is to use the volume. Rejects with NotAttached where it may not; one that was not known is
   * not kept then. False: it was shut out before, and only another one can.
   */
  async admit(id: string, node: string, address: string): Promise<boolean> {
    const client: ClientRecord = { volume: id, node, address };
    const known = await this.#clients.get(client);
    if (known?.fencedAtMs !== undefined) return false;
    if (known === undefined) await this.#clients.put(client);
    await this.mustHave(id, node).catch(async (error: unknown) => {
      // One that was there before may be writing: whoever takes the volume from the node must see it.
      if (known === undefined) await this.#clients.remove(client).catch((failure: unknown) => this.#options.connection.log.warn({ volume: id, error: messageOf(failure) }, 'a client that is not used is still known'));
      throw error;
    });
    return true;
  }

  /** Clients of this node for the volume, or all, are forgotten that have ended: those that do not live now, which is asked after what is known. */
  async settle(node: string, id: string | undefined, living: () => Promise<readonly string[]>): Promise<void> {
    const known = await this.#clients.of(node, id);
    if (known.length === 0) return;
    const addresses = await living();
    for (const [, client] of known) if (!addresses.includes(client.address)) await this.#clients.end(client);
  }

  /** What is kept of volumes that are not there, and of clients that nobody would look for. */
  async remnants(volumes: ReadonlySet<string>): Promise<readonly string[]> {
    const clients = await this.#clients.all();
    const published = await this.#records.all();
    const known = new Set(published.map(([key]) => key));
    return [
      ...published.filter(([, { volume }]) => !volumes.has(volume)).map(([, { volume, node }]) => `volume ${volume} is published to node ${node}, and is not there`),
      ...clients.filter(([, { volume, node, fencedAtMs }]) => fencedAtMs === undefined && !known.has(keyOf(volume, node))).map(([, { volume, node, address }]) => `node ${node} has the client ${address} for volume ${volume}, which is not published to it`),
    ];
  }

  #of(id: string): Promise<readonly (readonly [string, Publication])[]> {
    return this.#records.all(`${id} `);
  }
}

function isSettled(known: Publication | undefined, sharing: Sharing): boolean {
  return known?.state === 'published' && known.sharing === sharing;
}

function keyOf(id: string, node: string): string {
  return `${id} ${node}`;
}
