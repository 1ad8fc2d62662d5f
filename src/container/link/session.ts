import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import { addAbortSignal, type Duplex, type Readable } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import { LinkError } from './port.ts';

/** Answers of the relay are documents of a few lines; a guest that sends more is not ours. */
const largestDocument = 4 * 1024 * 1024;
const streamWindow = 256 * 1024;

export interface LinkRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: Buffer | string;
}

/** One connection to a guest's relay. */
export class LinkSession {
  readonly #session: ClientHttp2Session;
  readonly #stream: Duplex;
  #reason: unknown;
  readonly closed: Promise<LinkError>;

  /** Speaks HTTP/2 on the stream, which is ours from now on. */
  constructor(stream: Duplex) {
    const session = connect('http://guest', { createConnection: () => stream, settings: { enablePush: false, initialWindowSize: streamWindow }, maxSessionMemory: 64 });
    this.#session = session;
    this.#stream = stream;
    for (const part of [stream, session]) part.on('error', (error) => void (this.#reason ??= error));
    session.once('goaway', (code) => this.close(new LinkError('LinkDown', `the guest's relay ended the connection (${code})`)));
    // A stream that ended before the session was set up takes the session with it only when we say so.
    this.closed = new Promise((resolve) => stream.once('close', () => {
      session.destroy();
      resolve(asLinkError(this.#reason, 'the connection to the guest ended'));
    }));
    session.once('close', () => stream.destroy());
  }

  close(reason: LinkError): void {
    this.#reason ??= reason;
    this.#session.destroy(reason);
    // A session whose TLS failed under it waits for its socket for ever.
    this.#stream.destroy();
  }

  /** Resolves with the milliseconds that an answer takes; rejects when there is none in `timeoutMs`. */
  async ping(timeoutMs: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(() => reject(new LinkError('LinkDown', `the guest has not answered for ${timeoutMs} ms`)), timeoutMs);
    try {
      const sent = this.#session.ping((error, duration) => (error === null ? resolve(duration) : reject(error)));
      if (!sent) reject(new LinkError('LinkDown', 'the connection to the guest ended'));
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a request and resolves with the stream of a good answer, which ends when the signal aborts. One of status 404 is undefined. */
  async open(request: LinkRequest, signal?: AbortSignal): Promise<ClientHttp2Stream | undefined> {
    const { method, path, body } = request;
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const stream = this.#start({ ':method': method, ':path': path, ...length }, body === undefined, signal);
    if (signal !== undefined) addAbortSignal(signal, stream);
    if (body !== undefined) stream.end(body);
    const status = await statusOf(stream, signal);
    if (status < 300) return stream;
    const text = await documentOf(stream, signal);
    if (status === 404 && method === 'GET') return undefined;
    throw new LinkError('LinkRefused', `the guest refuses ${method} ${path}: ${refusalOf(text)}`, { disposition: status === 400 ? 'terminal' : 'retry' });
  }

  /** The JSON document of the answer; undefined when there is none. */
  async call(request: LinkRequest, signal?: AbortSignal): Promise<unknown> {
    const stream = await this.open(request, signal);
    if (stream === undefined) return undefined;
    const text = await documentOf(stream, signal);
    if (text === '') return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new LinkError('LinkRefused', `the guest answers ${request.method} ${request.path} with what is no JSON`, { cause });
    }
  }

  /** A byte stream to what the relay calls `target`; each direction ends by itself. */
  async tunnel(target: string, signal?: AbortSignal): Promise<Duplex> {
    const stream = this.#start({ ':method': 'CONNECT', ':authority': target }, false, signal);
    const status = await statusOf(stream, signal);
    if (status === 200) return stream;
    throw new LinkError('LinkRefused', `the guest gives no way to ${target}: ${await documentOf(stream, signal)}`);
  }

  #start(headers: OutgoingHttpHeaders, endStream: boolean, signal: AbortSignal | undefined): ClientHttp2Stream {
    signal?.throwIfAborted();
    try {
      return this.#session.request(headers, { endStream });
    } catch (cause) {
      throw asLinkError(cause, 'the connection to the guest ended');
    }
  }
}

/** The status of the answer. Aborting resets the stream, at this point only. */
async function statusOf(stream: ClientHttp2Stream, signal: AbortSignal | undefined): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const abort = (): void => {
    stream.close(constants.NGHTTP2_CANCEL);
    reject(signal?.reason as Error);
  };
  stream.once('response', (headers) => resolve(headers[':status'] ?? 0));
  // Stays, so that a stream whose reader has not come yet does not end the process.
  stream.on('error', (error) => reject(signal?.aborted === true ? signal.reason as Error : asLinkError(error, 'the connection to the guest broke off')));
  stream.once('close', () => reject(new LinkError('LinkDown', 'the guest did not answer')));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

async function documentOf(stream: ClientHttp2Stream, signal: AbortSignal | undefined): Promise<string> {
  return (await contentOf(stream, largestDocument, signal)).toString('utf8');
}

/** All of a stream. The guest's word is not taken for how long it is. */
export async function contentOf(stream: Readable, maxBytes: number, signal: AbortSignal | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) throw new LinkError('LinkRefused', `the guest answers with more than the ${maxBytes} bytes that were asked for`);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw asLinkError(error, 'the connection to the guest broke off');
  }
  return Buffer.concat(chunks);
}

function refusalOf(text: string): string {
  try {
    return String((JSON.parse(text) as { readonly message?: unknown }).message);
  } catch {
    return text.slice(0, 200);
  }
}

export function asLinkError(error: unknown, message: string): LinkError {
  if (error instanceof LinkError) return error;
  return new LinkError('LinkDown', message, error === undefined ? {} : { cause: messageOf(error) });
}
