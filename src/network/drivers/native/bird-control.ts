import { createConnection } from 'node:net';
import { NetworkError } from '../../port.ts';

const TIMEOUT_MS = 10_000;

/**
 * Sends one command over BIRD's control socket and returns the answer's lines. Throws NetworkNotReady when BIRD
 * does not answer or refuses (codes from 8000 on).
 * https://bird.nic.cz/doc/bird-2.0.12.html (remote control), doc/reply_codes in its source
 */
export function birdCommand(socketPath: string, command: string, signal?: AbortSignal): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
  const socket = createConnection({ path: socketPath, ...(signal === undefined ? {} : { signal }) });
  const lines: string[] = [];
  let rest = '';
  let greeted = false;
  const fail = (reason: string, cause?: unknown): void => {
    socket.destroy();
    reject(new NetworkError('NetworkNotReady', `BIRD at ${socketPath} ${reason}`, { cause }));
  };
  socket.setEncoding('utf8').setTimeout(TIMEOUT_MS, () => fail('does not answer'));
  socket.on('error', (error) => fail('cannot be reached; it is started again by its supervisor', error));
  socket.on('close', () => fail('closed the connection'));
  socket.on('data', (chunk: string) => {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      lines.push(line);
      // A code followed by a space ends an answer; by a dash it goes on.
      const code = /^(\d{4}) /.exec(line)?.[1];
      if (code === undefined) continue;
      if (!greeted) {
        greeted = true;
        lines.length = 0;
        socket.write(`${command}\n`);
      } else if (Number(code) >= 8000) fail(`refuses ${JSON.stringify(command)}: ${lines.join(' ')}`);
      else {
        resolve([...lines]);
        socket.destroy();
      }
    }
  });
  return promise;
}
