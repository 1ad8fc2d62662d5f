import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { chmod, rm } from 'node:fs/promises';
import { messageOf, YadoError } from '../base/errors.ts';
import type { Cluster } from './cluster.ts';
import type { EventRing } from './event-ring.ts';

export interface ControlHandlers {
  readonly cluster: Cluster;
  readonly events: EventRing;
  /** Brings the cluster to the volumes that its record has by now. */
  readonly renewStorage: () => Promise<void>;
  /** Takes everything down and ends the supervisor some moments later. */
  readonly down: (options: { readonly deleteState: boolean }) => Promise<void>;
}

/**
 * The supervisor's control socket: HTTP with JSON bodies.
 * GET /status, GET /events (follows, one JSON object a line), POST /nodes?count=N, POST /nodes/<name>/{start,stop,crash},
 * POST /components/<name>/restart, POST /storage (takes the record's volumes), POST /down?delete=true, POST /tie?delete=true (the cluster goes when this connection does).
 */
export async function serveControl(path: string, handlers: ControlHandlers): Promise<Server> {
  const server = createServer((request, response) => {
    handle(handlers, request, response).catch((error: unknown) => {
      const code = error instanceof YadoError ? error.code : 'InternalError';
      if (!response.headersSent) response.writeHead(error instanceof YadoError ? 409 : 500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ code, message: messageOf(error) }));
    });
  });
  server.requestTimeout = 0;
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

async function handle(handlers: ControlHandlers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { cluster, events, renewStorage, down } = handlers;
  const url = new URL(request.url ?? '/', 'http://supervisor');
  const deleteState = url.searchParams.get('delete') === 'true';
  const [, area = '', ...rest] = url.pathname.split('/').map(decodeURIComponent);
  switch (`${request.method} ${area}`) {
    case 'GET status':
      return answer(response, await cluster.status());
    case 'GET events':
      return stream(events, response);
    case 'POST nodes':
      await nodeCommand(cluster, rest, Number(url.searchParams.get('count') ?? 0));
      return answer(response, {});
    case 'POST components':
      await cluster.componentRestart(rest[0] ?? '');
      return answer(response, {});
    case 'POST storage':
      await renewStorage();
      return answer(response, {});
    case 'POST down':
      await down({ deleteState });
      return answer(response, {});
    case 'POST tie':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{}\n');
      response.once('close', () => void down({ deleteState }));
      return undefined;
    default:
      response.writeHead(404).end();
      return undefined;
  }
}

async function nodeCommand(cluster: Cluster, [name, verb = '']: readonly string[], count: number): Promise<void> {
  if (name === undefined) return cluster.grow(count);
  switch (verb) {
    case 'start': return cluster.nodeStart(name);
    case 'stop': return cluster.nodeStop(name);
    case 'crash': return cluster.nodeCrash(name);
    default: throw new YadoError('UnknownCommand', `Nodes know start, stop and crash, not ${verb}.`);
  }
}

function answer(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function stream(events: EventRing, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const unfollow = events.follow((event) => response.write(`${JSON.stringify(event)}\n`));
  response.once('close', unfollow);
}
