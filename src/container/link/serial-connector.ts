import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { LinkError } from './port.ts';
import type { LinkConnector } from './connector.ts';

/** What may lie in the port from a former connection, and then some. */
const mostStaleBytes = 16 * 1024 * 1024;
/** A guest that boots reads nothing yet; what is written to it waits in the port, and repeating it does no harm. */
const repeatMs = 300;

/**
 * The virtio-serial port of a guest, as the unix socket that its QEMU listens on. The port outlives connections and may
 * still hold bytes of a former one, so each begins with a line of its own: all that comes before its echo is dropped.
 */
export class SerialConnector implements LinkConnector {
  readonly transport = 'virtio-serial';
  readonly #path: string;

  /** `path` is that of the channel's socket. Only one connection at a time is served. */
  constructor(path: string) {
    this.#path = path;
  }

  async connect(timeoutMs: number, signal: AbortSignal): Promise<Socket> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const socket = connect({ path: this.#path });
    const greeting = new Greeting(socket);
    const repeat = setInterval(() => greeting.send(), repeatMs);
    const abort = (): void => void socket.destroy(new LinkError('LinkDown', signal.aborted ? 'the link was closed' : `the guest's relay did not answer within ${timeoutMs} ms`));
    limit.addEventListener('abort', abort, { once: true });
    try {
      greeting.send();
      await greeting.echo();
      return socket;
    } catch (cause) {
      socket.destroy();
      throw cause instanceof LinkError ? cause : new LinkError('LinkDown', 'the port of the guest cannot be reached', { cause });
    } finally {
      clearInterval(repeat);
      limit.removeEventListener('abort', abort);
    }
  }
}

/** The line that begins a connection. Each time it is sent it has another number, and nothing comes after the last one's echo. */
class Greeting {
  readonly #socket: Socket;
  readonly #start = `YADO-LINK 1 ${randomBytes(16).toString('hex')}`;
  #count = 0;
  #heard = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends it again, unless one has been heard already. */
  send(): void {
    if (this.#heard) return;
    this.#count += 1;
    this.#socket.write(this.#last);
  }

  get #last(): string {
    return `${this.#start}${this.#count.toString(16).padStart(4, '0')}\n`;
  }

  /** Reads up to the last echo, and leaves what comes after it in the socket. */
  async echo(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = this.#socket;
    let kept = Buffer.alloc(0);
    let dropped = 0;
    const onData = (chunk: Buffer): void => {
      kept = Buffer.concat([kept, chunk]);
      this.#heard ||= kept.includes(this.#start);
      const at = kept.indexOf(this.#last);
      if (at >= 0) {
        socket.off('data', onData);
        socket.pause();
        const rest = kept.subarray(at + this.#last.length);
        if (rest.length > 0) socket.unshift(rest);
        return resolve();
      }
      const cut = Math.max(kept.length - this.#last.length, 0);
      dropped += cut;
      kept = kept.subarray(cut);
      if (dropped > mostStaleBytes) reject(new LinkError('LinkDown', `the port of the guest gave ${dropped} bytes without an answer`));
    };
    const onClose = (): void => reject(new LinkError('LinkDown', 'the port of the guest was closed'));
    socket.on('data', onData).on('error', reject).on('close', onClose);
    try {
      await promise;
    } finally {
      socket.off('data', onData).off('error', reject).off('close', onClose);
    }
  }
}
