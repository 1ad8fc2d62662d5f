import { connect } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';

const CONNECT_MS = 5000;

/** Rejects with BackendUnreachable unless something takes connections there: mounts of a server that does not would wait for it. */
export async function ensureAnswers(server: string, port: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: server, port, signal, timeout: CONNECT_MS });
  socket.once('connect', () => resolve());
  socket.once('timeout', () => reject(new Error(`no answer within ${CONNECT_MS / 1000} s`)));
  socket.once('error', reject);
  try {
    await promise;
  } catch (error) {
    signal?.throwIfAborted();
    throw new StorageError('BackendUnreachable', `the NFS server ${server} does not answer on port ${port}: ${messageOf(error)}`, { cause: error });
  } finally {
    socket.destroy();
  }
}
