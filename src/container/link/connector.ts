import type { Duplex } from 'node:stream';
import type { LinkTransport } from './port.ts';

/** Makes the byte stream that a link's HTTP/2 runs on. */
export interface LinkConnector {
  readonly transport: LinkTransport;
  /** Rejects when the relay does not answer within `timeoutMs`. What comes back is the caller's to watch and to destroy. */
  connect(timeoutMs: number, signal: AbortSignal): Promise<Duplex>;
}
