import { Catalog, type Place } from './catalog.ts';
import type { CephConnection } from './connection.ts';
import { fence } from './fence.ts';

/** A client of Ceph that a node has for a volume, as long as it may write. */
export interface ClientRecord {
  readonly volume: string;
  readonly node: string;
  /** Such as `10.0.0.5:0/123`; never that of another client. */
  readonly address: string;
  /** Since when Ceph takes nothing from it any more. */
  readonly fencedAtMs?: number;
}

/** What it has sent may still be on its way when it has ended: Ceph goes on refusing that this long. */
const LAST_SECONDS = 3600;

/** Clients of nodes, kept in the cluster, so that they can be shut out when their nodes do not answer. */
export class Clients {
  readonly #connection: CephConnection;
  readonly #records: Catalog<ClientRecord>;

  constructor(connection: CephConnection, place: Place) {
    this.#connection = connection;
    this.#records = new Catalog(connection, place, 'clients');
  }

  get(client: ClientRecord): Promise<ClientRecord | undefined> {
    return this.#records.get(keyOf(client));
  }

  async put(client: ClientRecord): Promise<void> {
    await this.#records.put(keyOf(client), client);
  }

  async remove(client: ClientRecord): Promise<void> {
    await this.#records.remove(keyOf(client));
  }

  /** Of a node: for this volume, or for all. */
  of(node: string, volume?: string): Promise<readonly (readonly [string, ClientRecord])[]> {
    return this.#records.all(volume === undefined ? `${node} ` : `${node} ${volume} `);
  }

  all(): Promise<readonly (readonly [string, ClientRecord])[]> {
    return this.#records.all();
  }

  /** Its process has ended, and its device is gone: nothing of it need be kept. */
  async end(client: ClientRecord): Promise<void> {
    if (client.fencedAtMs !== undefined) await fence(this.#connection, client.address, LAST_SECONDS);
    await this.remove(client);
  }
}

function keyOf({ node, volume, address }: ClientRecord): string {
  return `${node} ${volume} ${address}`;
}
