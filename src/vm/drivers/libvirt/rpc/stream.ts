import { Duplex } from 'node:stream';
import { decodeRemoteError, encodeRemoteError } from './remote-error.ts';
import { messageType, program, status, type Message } from './message.ts';

/** Bytes that may wait for a slow reader. One socket carries all streams, so a reader cannot slow libvirtd down. */
const maxBufferedBytes = 4 * 1024 * 1024;
const maxPacketBytes = 65_536;

export interface StreamChannel {
  readonly procedure: number;
  readonly serial: number;
  readonly send: (message: Message, done?: (error?: Error | null) => void) => void;
  readonly closed: () => void;
}

/** One of libvirt's data streams, as a Duplex. Ending it finishes the stream; destroying it aborts it. */
export class RemoteStream extends Duplex {
  readonly #channel: StreamChannel;
  #open = true;

  constructor(channel: StreamChannel) {
    super({ allowHalfOpen: false });
    this.#channel = channel;
  }

  /** Called by the connection for each packet of this stream. */
  receive(message: Message): void {
    if (message.status === status.error) return this.#finish(decodeRemoteError(message.payload));
    if (message.status === status.ok || message.payload.length === 0) {
      if (message.status === status.continue) this.#send(status.ok, Buffer.alloc(0));
      return this.#finish();
    }
    if (this.readableLength + message.payload.length > maxBufferedBytes) {
      this.destroy(new Error('the console prints faster than it is read'));
      return;
    }
    this.push(Buffer.from(message.payload));
  }

  /** Called by the connection when it is lost. */
  lost(error: Error): void {
    this.#open = false;
    this.destroy(error);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (!this.#open) return done(new Error('the stream is closed'));
    const packets = Math.ceil(chunk.length / maxPacketBytes);
    for (let index = 0; index < packets - 1; index++) {
      this.#send(status.continue, chunk.subarray(index * maxPacketBytes, (index + 1) * maxPacketBytes));
    }
    this.#send(status.continue, chunk.subarray((packets - 1) * maxPacketBytes), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#close(status.ok, Buffer.alloc(0));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close(status.error, encodeRemoteError('the client ended the stream'));
    done(error);
  }

  #finish(error?: Error): void {
    this.#open = false;
    this.#channel.closed();
    if (error === undefined) this.push(null);
    else this.destroy(error);
  }

  #close(how: number, payload: Buffer): void {
    if (!this.#open) return;
    this.#open = false;
    this.#send(how, payload);
    this.#channel.closed();
  }

  #send(how: number, payload: Buffer, done?: (error?: Error | null) => void): void {
    const { procedure, serial } = this.#channel;
    this.#channel.send({ program: program.remote, procedure, type: messageType.stream, serial, status: how, payload }, done);
  }
}
