import https from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { errnoOf, messageOf, YadoError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Access } from './access.ts';
import { figuresOf, type NodeFigures } from './figures.ts';
import { HttpError, refuse, refuseUpgrade } from './http-error.ts';
import { loggedRun } from './log-choice.ts';
import { LogFile } from './log-file.ts';
import { logOptionsOf, type LogOptions } from './log-options.ts';
import { streamLog } from './logs.ts';
import type { Reviewer, ServedNode } from './port.ts';
import { resourceMetricsOf } from './resource-metrics.ts';
import { LINGER_MS, passThrough } from './streaming.ts';
import { streamUrl } from './streams.ts';
import { summaryOf } from './summary.ts';
import { targetOf, type Target } from './target.ts';

export interface KubeletServerOptions {
  readonly node: ServedNode;
  readonly reviewer: Reviewer;
  /** Of the server; PEM texts. */
  readonly certificate: string;
  readonly key: string;
  /** Authorities of client certificates; PEM texts. */
  readonly clientAuthorities: string;
  readonly address: string;
  /** The first port that is tried; the next free one is taken. */
  readonly firstPort: number;
  readonly clock: Clock;
  readonly log: Log;
}

const PORTS = 250;
/** Longer than API servers keep an unused connection, so that none is closed while they begin to use it. */
const UNUSED_MS = 120_000;
/** A peer that has vanished without a word is noticed by this. */
const KEEP_ALIVE_MS = 30_000;

/** What the API server asks of a node: logs, exec, attach, port-forward, figures. One server a node, as a kubelet. */
export class KubeletServer implements AsyncDisposable {
  readonly #options: KubeletServerOptions;
  readonly #access: Access;
  readonly #server: https.Server;
  readonly #stop = new AbortController();
  readonly #sockets = new Set<Duplex>();

  constructor(options: KubeletServerOptions) {
    const { certificate: cert, key, clientAuthorities: ca } = options;
    this.#options = options;
    this.#access = new Access(options.reviewer, options.clock);
    this.#server = https.createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2', keepAliveTimeout: UNUSED_MS, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
    this.#server.on('request', (request, response) => void this.#answer(request, response));
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    const { firstPort, address } = this.#options;
    for (let port = firstPort; port < firstPort + PORTS; port += 1) {
      if (await this.#listen(port, address)) return port;
    }
    throw new YadoError('NoFreePort', `none of the ports ${firstPort} to ${firstPort + PORTS - 1} is free on ${address}; end what uses them or name others`, { disposition: 'stalled' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the server ends'));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #listen(port: number, address: string): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const failed = (error: Error): void => (errnoOf(error) === 'EADDRINUSE' ? resolve(false) : reject(error));
    this.#server.once('error', failed);
    this.#server.listen(port, address, () => {
      this.#server.off('error', failed);
      resolve(true);
    });
    return promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const signal = this.#until(response);
    try {
      const url = new URL(request.url ?? '/', 'https://node');
      await this.#access.admit(request, url.pathname, signal);
      await this.#get(request, url, response, signal);
    } catch (error) {
      if (signal.aborted || response.headersSent) response.destroy();
      else refuse(response, error);
      if (!signal.aborted) this.#tell(request, error);
    }
  }

  async #get({ method }: IncomingMessage, url: URL, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { node } = this.#options;
    const path = url.pathname.replace(/(.)\/$/, '$1');
    if (path === '/healthz' || path.startsWith('/healthz/')) return void response.end('ok');
    if (path === '/pods') return sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: node.pods() });
    if (path === '/stats/summary') return sendJson(response, summaryOf(node.node, await this.#figures(signal)));
    if (path === '/metrics/resource') {
      const text = resourceMetricsOf(await this.#figures(signal));
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      return void response.end(text);
    }
    const target = targetOf(url, node);
    if (target.verb !== 'containerLogs') throw new HttpError(400, 'Upgrade request required');
    if (method !== 'GET') throw new HttpError(405, '405: Method Not Allowed');
    await this.#logs(target, response, signal);
  }

  #figures(signal: AbortSignal): Promise<NodeFigures> {
    const { node, clock } = this.#options;
    return figuresOf(node.cri, node.link, node.pods(), () => clock.now(), signal);
  }

  async #logs({ query, pod, container }: Target, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { node: { cri, link }, clock } = this.#options;
    const options = parsed(query, clock.now());
    const id = loggedRun(pod, container, options.previous);
    const status = await cri.containerStatus(id, signal);
    const file = status === undefined ? undefined : await LogFile.open(link.files, status.logPath, signal);
    // A kubelet says so in place of the log, and is no worse for it.
    if (file === undefined) return void response.end(`unable to retrieve container logs for containerd://${id}`);
    response.writeHead(200, { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    await streamLog({ file, cri, container: id }, options, response, clock, signal);
    response.end();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { node, clock } = this.#options;
    const signal = this.#until(socket);
    socket.on('error', () => socket.destroy());
    try {
      const url = new URL(request.url ?? '/', 'https://node');
      await this.#access.admit(request, url.pathname, signal);
      const streams = new URL(await streamUrl(node, targetOf(url, node), signal));
      const upstream = await node.link.dial(Number(streams.port), signal);
      passThrough(request, socket, head, streams, upstream, clock);
    } catch (error) {
      refuseUpgrade(socket, error);
      socket.once('close', clock.after(LINGER_MS, () => socket.destroy()));
      if (!signal.aborted) this.#tell(request, error);
    }
  }

  /** Aborts when the caller is gone, or the server ends. */
  #until(caller: ServerResponse | Duplex): AbortSignal {
    const gone = new AbortController();
    caller.on('close', () => gone.abort(new Error('the caller is gone')));
    return AbortSignal.any([this.#stop.signal, gone.signal]);
  }

  #tell({ method, url }: IncomingMessage, error: unknown): void {
    const level = error instanceof HttpError ? 'debug' : 'warn';
    this.#options.log[level]({ node: this.#options.node.node, method, path: url?.replace(/\?.*/s, ''), error: messageOf(error) }, 'a request to the node failed');
  }
}

function parsed(query: URLSearchParams, nowMs: number): LogOptions {
  try {
    return logOptionsOf(query, nowMs);
  } catch (error) {
    throw new HttpError(422, messageOf(error));
  }
}

function sendJson(response: ServerResponse, value: object): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}
