import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { StorageError } from '../../port.ts';

const ANSWER_MS = 10_000;

/** Runs commands of a QEMU program one after the other: https://www.qemu.org/docs/master/interop/qmp-spec.html. Rejects when nobody listens there. */
export async function qmp(path: string, ...commands: readonly { readonly execute: string; readonly arguments?: object }[]): Promise<void> {
  const socket = createConnection(path);
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new StorageError('Failed', `nothing is heard at ${path}`)));
  try {
    await once(socket, 'connect');
    await converse(socket, [{ execute: 'qmp_capabilities' }, ...commands]);
  } finally {
    socket.destroy();
  }
}

async function converse(socket: Socket, commands: readonly object[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const left = [...commands];
  const next = (): void => {
    const command = left.shift();
    if (command === undefined) resolve();
    else socket.write(`${JSON.stringify(command)}\n`);
  };
  socket.on('error', reject);
  socket.on('close', () => reject(new StorageError('Failed', 'the daemon has closed the connection')));
  createInterface({ input: socket }).on('error', reject).on('line', (line) => {
    const said = JSON.parse(line) as { readonly QMP?: object; readonly return?: object; readonly error?: { readonly desc: string } };
    if (said.error !== undefined) reject(new StorageError('Failed', `the daemon says: ${said.error.desc}`));
    // Events are of no interest.
    else if (said.QMP !== undefined || said.return !== undefined) next();
  });
  await promise;
}
