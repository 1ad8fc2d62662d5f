import { StorageError } from '../../port.ts';
import type { CephConnection } from './connection.ts';

/** An address of one client, such as `10.0.0.5:0/123`, or of a host, for all clients there. */
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[0-9a-fA-F.:]+?)(:[0-9]+\/[0-9]+)?$/;

/**
 * Shuts clients out of the cluster, for this long: what they have not written by now they never will, be it to images
 * or to files. Only a new connection is let in again, and of a host none before the time is over.
 */
export async function fence(connection: CephConnection, address: string, seconds: number): Promise<void> {
  if (!ADDRESS.test(address)) throw new StorageError('InvalidRequest', `${JSON.stringify(address)} is no address of a client of Ceph; 10.0.0.5:0/123 is one, and 10.0.0.5 is all of a host's`);
  await connection.call('fence', { address, seconds });
}

/** Pools with the content of volumes. */
export interface DataPools {
  /** The disks of all of them know by now who is shut out: until then they would take what was on its way. */
  told(): Promise<void>;
}

export function dataPools(connection: CephConnection, pools: () => Promise<readonly { readonly pool: string; readonly namespace?: string }[]>): DataPools {
  return {
    told: async () => {
      for (const place of await pools()) await connection.call('tell_disks', { ...place });
    },
  };
}
