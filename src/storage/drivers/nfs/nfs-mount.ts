import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';
import { NFS_PORT } from './settings.ts';

export interface NfsMountRequest {
  readonly server: string;
  readonly path: string;
  readonly mountOptions: readonly string[];
  readonly port?: number;
}

/** https://man7.org/linux/man-pages/man5/nfs.5.html: what is written is kept until the server is back, however long that takes. */
const DEFAULTS = ['hard', 'timeo=600', 'retrans=2'];

/** What mount(8) needs, also where it has no helper for NFS: then it is the kernel that wants the address. */
export async function mountOf({ server, path, mountOptions, port = portOf(mountOptions) }: NfsMountRequest): Promise<{ readonly source: string; readonly options: readonly string[] }> {
  const address = await addressOf(server);
  const has = (...names: readonly string[]): boolean => mountOptions.some((option) => names.includes(option.split('=')[0] ?? ''));
  return {
    source: `${isIPv6(server) ? `[${server}]` : server}:${path}`,
    options: [
      ...(has('vers', 'nfsvers') ? [] : ['nfsvers=4.2']), `proto=${isIPv6(address) ? 'tcp6' : 'tcp'}`, ...(has('port') ? [] : [`port=${port}`]),
      ...DEFAULTS.filter((option) => !has(option.split('=')[0] ?? '') && !(option === 'hard' && has('soft', 'softerr'))),
      ...mountOptions, `addr=${address}`,
    ],
  };
}

export function portOf(mountOptions: readonly string[]): number {
  return Number(mountOptions.find((option) => option.startsWith('port='))?.slice('port='.length) ?? NFS_PORT);
}

async function addressOf(server: string): Promise<string> {
  return lookup(server).then(({ address }) => address, (error: unknown) => {
    throw new StorageError('BackendUnreachable', `the NFS server's name ${server} has no address: ${messageOf(error)}`, { cause: error });
  });
}
