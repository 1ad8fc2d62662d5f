import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';

/** When one side has ended, the other one has this long to end too. */
export const LINGER_MS = 5000;

/**
 * Hands an upgraded connection on to the runtime's streaming server, byte by byte: SPDY and WebSocket alike. `url` is
 * the runtime's answer to Exec, Attach or PortForward, `upstream` a connection to its port. Both streams end together.
 */
export function passThrough(request: IncomingMessage, socket: Duplex, head: Buffer, url: URL, upstream: Duplex, clock: Clock): void {
  let linger = (): void => {};
  const destroy = (): void => {
    linger();
    upstream.destroy();
    socket.destroy();
  };
  const end = (): void => {
    linger();
    linger = clock.after(LINGER_MS, destroy);
  };
  for (const side of [socket, upstream]) side.on('error', destroy).on('end', end);
  socket.on('close', destroy);
  upstream.on('close', () => {
    if (socket.destroyed) return;
    socket.end();
    end();
  });
  upstream.write(requestHead(request, url));
  if (head.length > 0) upstream.write(head);
  socket.pipe(upstream);
  upstream.pipe(socket);
  if (socket.destroyed) destroy();
}

/** The request as it came, on the way that the runtime named. Credentials end here. */
function requestHead({ method = 'GET', rawHeaders }: IncomingMessage, url: URL): string {
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (!/^(host|authorization|x-forwarded-.*|impersonate-.*)$/i.test(name)) lines.push(`${name}: ${rawHeaders[index + 1] ?? ''}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
