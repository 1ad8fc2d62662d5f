import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf, YadoError } from '../../base/errors.ts';

/** An answer other than the one that was asked for. */
export class HttpError extends YadoError {
  readonly status: number;
  constructor(status: number, message: string) {
    super('HttpError', message);
    this.status = status;
  }
}

export function refuse(response: ServerResponse, error: unknown): void {
  response.writeHead(statusOf(error), { 'content-type': 'text/plain' });
  response.end(messageOf(error));
}

/** Refuses a request whose connection was to be upgraded. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const [status, text] = [statusOf(error), messageOf(error)];
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`);
}

function statusOf(error: unknown): number {
  return error instanceof HttpError ? error.status : 500;
}
