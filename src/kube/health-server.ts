import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface HealthServerOptions {
  /** `host:port`; port 0 takes any. */
  readonly address: string;
  readonly registry: Registry;
  /** True when the program does its work. */
  readonly ready: () => boolean;
}

/** Serves /healthz (the process answers), /readyz and /metrics. */
export class HealthServer implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #options: HealthServerOptions;

  constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => void this.#answer(request, response));
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    const { hostname, port } = new URL(`tcp://${this.#options.address}`);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(Number(port), hostname.replace(/^\[|\]$/g, ''), resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    switch (path) {
      case '/healthz':
        return void response.end('ok');
      case '/readyz':
        response.statusCode = this.#options.ready() ? 200 : 503;
        return void response.end(response.statusCode === 200 ? 'ok' : 'not ready');
      case '/metrics':
        response.setHeader('content-type', this.#options.registry.contentType);
        return void response.end(await this.#options.registry.metrics());
      default:
        response.statusCode = 404;
        response.end('paths: /healthz /readyz /metrics');
    }
  }
}
