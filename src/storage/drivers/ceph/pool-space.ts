import { StorageError } from '../../port.ts';
import type { CephConnection } from './connection.ts';

interface Usage {
  readonly pools: readonly { readonly name: string; readonly stats: { readonly stored: number; readonly max_avail: number } }[];
}

/** Bytes of content that a pool has, and can take besides, whatever number of copies it keeps of them. */
export async function spaceOf(connection: CephConnection, pool: string): Promise<{ readonly storedBytes: number; readonly availableBytes: number }> {
  const { pools } = await connection.command<Usage>('mon', { prefix: 'df' });
  const found = pools.find(({ name }) => name === pool);
  if (found === undefined) throw new StorageError('InvalidRequest', `there is no pool ${pool}; there are ${pools.map(({ name }) => name).join(', ')}`, { disposition: 'stalled' });
  return { storedBytes: found.stats.stored, availableBytes: found.stats.max_avail };
}

/** Ceph itself sums up what its disks have every few seconds only. */
const KNOWN_MS = 2000;

/** What pools can take in all, asked for once in two seconds whoever wants to know. */
export class PoolSpace {
  readonly #connection: CephConnection;
  readonly #known = new Map<string, { readonly totalBytes: Promise<number>; readonly atMs: number }>();

  constructor(connection: CephConnection) {
    this.#connection = connection;
  }

  /** Space is taken as it is written to, so volumes may promise more together than there is; none alone may. */
  async mustFit(pool: string, wantedBytes: number): Promise<void> {
    const totalBytes = await this.#totalBytes(pool);
    if (wantedBytes > totalBytes) throw new StorageError('NoSpace', `${wantedBytes} bytes are wanted, and pool ${pool} has ${totalBytes} in all`);
  }

  #totalBytes(pool: string): Promise<number> {
    const known = this.#known.get(pool);
    if (known !== undefined && performance.now() - known.atMs < KNOWN_MS) return known.totalBytes;
    const totalBytes = spaceOf(this.#connection, pool).then(({ storedBytes, availableBytes }) => storedBytes + availableBytes);
    this.#known.set(pool, { totalBytes, atMs: performance.now() });
    totalBytes.catch(() => this.#known.delete(pool));
    return totalBytes;
  }
}
