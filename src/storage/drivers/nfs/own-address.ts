import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { lookup } from 'node:dns/promises';
import { messageOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';

/** The address that this machine has towards the server, which need not run: nothing is sent. */
export async function ownAddress(server: string, port: number): Promise<string> {
  try {
    const { address, family } = await lookup(server);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    try {
      socket.connect(port, address);
      await once(socket, 'connect');
      return socket.address().address;
    } finally {
      socket.close();
    }
  } catch (error) {
    throw new StorageError('BackendUnreachable', `this node has no way to the NFS server ${server}: ${messageOf(error)}`, { cause: error });
  }
}
