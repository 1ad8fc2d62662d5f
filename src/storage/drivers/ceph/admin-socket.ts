import { once } from 'node:events';
import { createConnection } from 'node:net';
import { StorageError } from '../../port.ts';

const ANSWER_MS = 10_000;

/** Asks a daemon or a client of Ceph through its admin socket; what it says as JSON. https://docs.ceph.com/en/pacific/man/8/ceph/#daemon */
export async function askAdmin<T>(path: string, prefix: string): Promise<T> {
  const socket = createConnection(path);
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new StorageError('Failed', `nothing is heard at ${path}`)));
  try {
    await once(socket, 'connect');
    socket.write(`${JSON.stringify({ prefix })}\0`);
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    // Its length comes first, in four bytes.
    return JSON.parse(Buffer.concat(parts).toString('utf8', 4)) as T;
  } finally {
    socket.destroy();
  }
}
