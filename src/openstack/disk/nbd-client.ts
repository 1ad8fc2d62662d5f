import { once } from 'node:events';
import net from 'node:net';
import { YadoError } from '../../base/errors.ts';
import { Portions } from './portions.ts';
import type { DiskReader } from './port.ts';

const SERVER_MAGIC = 0x4e42444d41474943n;
const OPTION_MAGIC = 0x49484156454f5054n;
const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;
const OPTION_GO = 7;
const REPLY_ACK = 1;
const REPLY_INFO = 3;
const REPLY_ERROR = 2 ** 31;
const INFO_EXPORT = 0;
const READ = 0;
const DISCONNECT = 2;
/** More than that is no reply to an option of ours. */
const MOST_REPLY_BYTES = 64 * 1024;

/** A server of disks does not do what it should; what it was asked for may be asked for again. */
export class NbdError extends YadoError {
  constructor(message: string, cause?: unknown) {
    super('NbdFailed', message, { cause });
  }
}

interface Pending {
  readonly into: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * An export of an NBD server, which is only read: newstyle handshake, simple replies. Many reads may be under way.
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
 */
export class NbdClient implements DiskReader {
  readonly sizeBytes: number;
  readonly #socket: net.Socket;
  readonly #pending = new Map<bigint, Pending>();
  #handles = 0n;
  #failure: Error | undefined;

  private constructor(socket: net.Socket, data: Portions, sizeBytes: number) {
    this.#socket = socket;
    this.sizeBytes = sizeBytes;
    void this.#receive(data);
  }

  /** Rejects with a system error where nobody listens, with NbdError, or with the signal's reason. */
  static async connect(socketPath: string, exportName: string, signal: AbortSignal): Promise<NbdClient> {
    signal.throwIfAborted();
    const socket = net.connect(socketPath);
    const data = new Portions(socket);
    const abort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', abort));
    try {
      await once(socket, 'connect');
      return new NbdClient(socket, data, await handshake(socket, data, exportName));
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      throw error;
    }
  }

  read(offset: number, into: Buffer): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const handle = this.#handles++;
    this.#pending.set(handle, { into, resolve, reject });
    this.#socket.write(requestOf(READ, handle, offset, into.length));
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.end(requestOf(DISCONNECT, this.#handles++, 0, 0));
    this.#socket.destroySoon();
  }

  async #receive(data: Portions): Promise<void> {
    try {
      for (;;) await this.#reply(data);
    } catch (error) {
      this.#failure = error instanceof NbdError ? error : new NbdError('the server of the disk has ended', error);
      this.#socket.destroy();
      for (const { reject } of this.#pending.values()) reject(this.#failure);
      this.#pending.clear();
    }
  }

  async #reply(data: Portions): Promise<void> {
    const head = await data.exactly(16);
    const pending = this.#pending.get(head.readBigUInt64BE(8));
    if (head.readUInt32BE(0) !== REPLY_MAGIC || pending === undefined) throw new NbdError('the server of the disk answers what it was not asked');
    const errno = head.readUInt32BE(4);
    // While its data comes it is still among those that are told of an end.
    if (errno === 0) await data.fill(pending.into);
    this.#pending.delete(head.readBigUInt64BE(8));
    if (errno === 0) pending.resolve();
    else pending.reject(new NbdError(`the disk cannot be read (error ${errno})`));
  }
}

/** Bytes that the export has. */
async function handshake(socket: net.Socket, data: Portions, exportName: string): Promise<number> {
  const greeting = await data.exactly(18);
  if (greeting.readBigUInt64BE(0) !== SERVER_MAGIC || greeting.readBigUInt64BE(8) !== OPTION_MAGIC || (greeting.readUInt16BE(16) & FIXED_NEWSTYLE) === 0) throw new NbdError('no server of disks answers, or a very old one');
  socket.write(goRequest(exportName, greeting.readUInt16BE(16) & NO_ZEROES));
  for (let sizeBytes: number | undefined; ;) {
    const head = await data.exactly(20);
    const [type, lengthBytes] = [head.readUInt32BE(12), head.readUInt32BE(16)];
    if (head.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC || head.readUInt32BE(8) !== OPTION_GO || lengthBytes > MOST_REPLY_BYTES) throw new NbdError('the server of the disk answers what it was not asked');
    const content = await data.exactly(lengthBytes);
    if (type >= REPLY_ERROR) throw new NbdError(`the server does not give the disk ${exportName}: ${content.toString() || `error ${type - REPLY_ERROR}`}`);
    if (type === REPLY_INFO && content.readUInt16BE(0) === INFO_EXPORT) sizeBytes = Number(content.readBigUInt64BE(2));
    if (type !== REPLY_ACK) continue;
    if (sizeBytes === undefined) throw new NbdError(`the server does not tell how large the disk ${exportName} is`);
    return sizeBytes;
  }
}

function goRequest(exportName: string, noZeroes: number): Buffer {
  const name = Buffer.from(exportName);
  const head = Buffer.alloc(24);
  head.writeUInt32BE(FIXED_NEWSTYLE | noZeroes, 0);
  head.writeBigUInt64BE(OPTION_MAGIC, 4);
  head.writeUInt32BE(OPTION_GO, 12);
  head.writeUInt32BE(4 + name.length + 2, 16);
  head.writeUInt32BE(name.length, 20);
  // No information is asked for beside what all servers send.
  return Buffer.concat([head, name, Buffer.alloc(2)]);
}

function requestOf(type: number, handle: bigint, offset: number, lengthBytes: number): Buffer {
  const request = Buffer.alloc(28);
  request.writeUInt32BE(REQUEST_MAGIC, 0);
  request.writeUInt16BE(type, 6);
  request.writeBigUInt64BE(handle, 8);
  request.writeBigUInt64BE(BigInt(offset), 16);
  request.writeUInt32BE(lengthBytes, 24);
  return request;
}
