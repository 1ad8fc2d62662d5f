import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { LinkError } from './port.ts';
import type { LinkConnector } from './connector.ts';

export interface TlsConnectorOptions {
  /** The guest's address now. */
  readonly host: () => string;
  readonly port: number;
  /** PEM of the certificates that sign the guest's. */
  readonly authority: string;
  /** Name that the guest's certificate is made out to. */
  readonly serverName: string;
  /** PEM of our own certificate and its key. */
  readonly certificate: string;
  readonly key: string;
}

/** The flat network, for hosts that cannot give their guests a channel. Both sides show certificates. */
export class TlsConnector implements LinkConnector {
  readonly transport = 'tls';
  readonly #options: TlsConnectorOptions;

  constructor(options: TlsConnectorOptions) {
    this.#options = options;
  }

  async connect(timeoutMs: number, signal: AbortSignal): Promise<TLSSocket> {
    const { port, authority, serverName, certificate, key } = this.#options;
    const host = this.#options.host();
    const socket = connect({ host, port, ca: authority, servername: serverName, cert: certificate, key, ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' });
    socket.setNoDelay(true);
    try {
      await once(socket, 'secureConnect', { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
      return socket;
    } catch (cause) {
      socket.destroy();
      throw new LinkError('LinkDown', `the guest's relay at ${host}:${port} cannot be reached`, { cause });
    }
  }
}
