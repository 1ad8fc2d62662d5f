import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageError } from '../../port.ts';
import type { CephConnection } from './connection.ts';
import { isErrno } from './errors.ts';

/** Where in the cluster records are kept. */
export interface Place {
  readonly pool: string;
  readonly namespace?: string;
}

export type CatalogKind = 'volumes' | 'snapshots' | 'removed' | 'published' | 'clients';

const OBJECT = 'yadokari';
const TURN_MS = 20_000;
const AGAIN_MS = 100;

/**
 * Records of volumes and snapshots, in objects beside them in the cluster: all can be had in one call, however many
 * there are. Whatever changes one has its turn: nobody else changes it meanwhile, on whatever node.
 */
export class Catalog<T extends object> {
  readonly #connection: CephConnection;
  readonly #place: Place;
  readonly #kind: CatalogKind;

  constructor(connection: CephConnection, place: Place, kind: CatalogKind) {
    this.#connection = connection;
    this.#place = place;
    this.#kind = kind;
  }

  async get(id: string): Promise<T | undefined> {
    const text = await this.#call<string | null>('record', { key: id });
    return text === null ? undefined : JSON.parse(text) as T;
  }

  async put(id: string, record: T): Promise<void> {
    await this.#call('write_record', { key: id, value: JSON.stringify(record) });
  }

  async remove(id: string): Promise<void> {
    await this.#call('remove_record', { key: id });
  }

  /** In the order of their ids: all, or those whose ids begin so. */
  async all(prefix = ''): Promise<readonly (readonly [id: string, record: T])[]> {
    const found = await this.#call<Readonly<Record<string, string>>>('records', { prefix });
    return Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, text]) => [id, JSON.parse(text) as T]);
  }

  /** Runs work while nobody else has the turn of this id. A turn whose owner is gone ends within 15 s. */
  async turn<R>(id: string, work: () => Promise<R>): Promise<R> {
    const object = `${OBJECT}.turn.${id}`;
    const lock = { object, cookie: randomUUID() };
    await this.#connection.unlocks.get(keyOf(this.#place, object));
    for (const until = Date.now() + TURN_MS; !await this.#lock(lock); await delay(AGAIN_MS)) {
      if (Date.now() > until) throw new StorageError('BackendUnreachable', `somebody else is at work on ${id}; it is to be asked for again`, { disposition: 'wait' });
    }
    try {
      return await work();
    } finally {
      // Whoever asked need not wait for it; it ends by itself where the cluster cannot be reached.
      this.#unlock(lock);
    }
  }

  #unlock(lock: { readonly object: string }): void {
    const { unlocks } = this.#connection;
    const key = keyOf(this.#place, lock.object);
    const ended: Promise<void> = this.#call<void>('unlock', lock).catch(() => {}).then(() => {
      if (unlocks.get(key) === ended) unlocks.delete(key);
    });
    unlocks.set(key, ended);
  }

  /** Its owner may take it away in just this moment. */
  #lock(lock: object): Promise<boolean> {
    return this.#call<boolean>('lock', lock).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT', 'EEXIST')) return false;
      throw error;
    });
  }

  #call<R>(name: string, args: object): Promise<R> {
    return this.#connection.call<R>(name, { ...this.#place, object: `${OBJECT}.${this.#kind}`, ...args });
  }
}

function keyOf({ pool, namespace = '' }: Place, object: string): string {
  return `${pool}/${namespace}/${object}`;
}

/** What was made or removed by half, in words. */
export function halvesOf(kind: string, records: readonly (readonly [id: string, record: { readonly state: string; readonly name: string }])[]): readonly string[] {
  return records.filter(([, { state }]) => state !== 'ready').map(([id, { state, name }]) => `${kind} ${id} (${name}) is half there: ${state}`);
}

/** The same name gives the same id, so that a call that is repeated finds what it made. */
export function idOf(prefix: 'vol' | 'snap', name: string): string {
  return `${prefix}-${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}
