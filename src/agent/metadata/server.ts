import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { metadataAt } from './paths.ts';

export interface MetadataServerOptions {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** The files of the guest that has this address; undefined where none has that asks for them. */
  readonly filesOf: (address: string) => Promise<ReadonlyMap<string, string> | undefined>;
  readonly log: Log;
}

const MOST_CONNECTIONS = 512;
/** Of one guest, so that none keeps the others waiting. */
const MOST_OF_ONE = 16;
const PATIENCE_MS = 5000;

/**
 * Answers guests as OpenStack's metadata service does. Who asks is told by the address that the connection comes from,
 * which nobody else on this node can have; no header has a say in it, and everybody else is told nothing.
 */
export class MetadataServer implements AsyncDisposable {
  readonly #options: MetadataServerOptions;
  readonly #server: http.Server;
  readonly #open = new Map<string, number>();

  constructor(options: MetadataServerOptions) {
    this.#options = options;
    this.#server = http.createServer({ headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS, keepAliveTimeout: PATIENCE_MS, connectionsCheckingInterval: PATIENCE_MS }, (request, response) => void this.#answer(request, response));
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.on('connection', (socket: Socket) => this.#count(socket));
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #count(socket: Socket): void {
    const { remoteAddress = '' } = socket;
    const open = (this.#open.get(remoteAddress) ?? 0) + 1;
    if (open > MOST_OF_ONE) return void socket.destroy();
    this.#open.set(remoteAddress, open);
    socket.once('close', () => {
      const left = (this.#open.get(remoteAddress) ?? 1) - 1;
      if (left === 0) this.#open.delete(remoteAddress);
      else this.#open.set(remoteAddress, left);
    });
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method, url = '/', socket: { remoteAddress = '' } } = request;
    const [path = ''] = url.split('?');
    request.resume();
    if (method !== 'GET' && method !== 'HEAD') return end(response, 405, 'only GET is answered here');
    try {
      const files = await this.#options.filesOf(remoteAddress);
      const found = files === undefined ? undefined : metadataAt(path, files, remoteAddress);
      end(response, found === undefined ? 404 : 200, found ?? 'there is no such thing', path.endsWith('.json') ? 'application/json' : 'text/plain; charset=utf-8');
    } catch (error) {
      this.#options.log.warn({ address: remoteAddress, error: messageOf(error) }, 'metadata could not be read');
      end(response, 500, 'the metadata could not be read');
    }
  }
}

function end(response: http.ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  const body = Buffer.from(text);
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  response.end(body);
}
