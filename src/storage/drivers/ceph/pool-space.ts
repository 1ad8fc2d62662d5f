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

/** Space is taken as it is written to, so volumes may promise more together than there is; none alone may. */
export async function mustFit(connection: CephConnection, pool: string, wantedBytes: number): Promise<void> {
  const { storedBytes, availableBytes } = await spaceOf(connection, pool);
  if (wantedBytes > storedBytes + availableBytes) throw new StorageError('NoSpace', `${wantedBytes} bytes are wanted, and pool ${pool} has ${storedBytes + availableBytes} in all`);
}
