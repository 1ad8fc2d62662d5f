import { StorageError } from '../../port.ts';
import type { CephConnection } from './connection.ts';

export interface FilesystemPools {
  readonly metadata: string;
  /** Of new files. */
  readonly data: string;
  /** Of any file. */
  readonly allData: readonly string[];
}

/** Pools of a file system. Rejects with InvalidRequest when there is none of this name. */
export async function poolsOf(connection: CephConnection, filesystem: string): Promise<FilesystemPools> {
  const known = await connection.command<readonly { readonly name: string; readonly metadata_pool: string; readonly data_pools: readonly string[] }[]>('mon', { prefix: 'fs ls' });
  const found = known.find(({ name }) => name === filesystem);
  const data = found?.data_pools[0];
  if (found === undefined || data === undefined) throw new StorageError('InvalidRequest', `there is no file system ${filesystem}; there are ${known.map(({ name }) => name).join(', ') || 'none'}`, { disposition: 'stalled' });
  return { metadata: found.metadata_pool, data, allData: found.data_pools };
}
