/** Programs that share a connection to libvirtd (remote_protocol.x, qemu_protocol.x, virkeepaliveprotocol.x). */
export const program = { remote: 0x20008086, qemu: 0x20008087, keepalive: 0x6b656570 } as const;

export const messageType = { call: 0, reply: 1, event: 2, stream: 3 } as const;

export const status = { ok: 0, error: 1, continue: 2 } as const;

export const keepalive = { ping: 1, pong: 2 } as const;

/** VIR_NET_MESSAGE_MAX and the length word itself. */
const maxFrameBytes = 33_554_432 + 4;
const headerBytes = 28;

export interface Message {
  readonly program: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
  readonly payload: Buffer;
}

/** The bytes of one message: length (of itself too), header, payload. */
export function encodeMessage(message: Message): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32BE(headerBytes + message.payload.length, 0);
  header.writeUInt32BE(message.program, 4);
  header.writeUInt32BE(1, 8);
  header.writeInt32BE(message.procedure, 12);
  header.writeInt32BE(message.type, 16);
  header.writeUInt32BE(message.serial, 20);
  header.writeInt32BE(message.status, 24);
  return Buffer.concat([header, message.payload]);
}

/** Cuts a stream of bytes into messages. Throws a RangeError when the peer does not speak the protocol. */
export class MessageDecoder {
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = 4;

  push(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return [];
    let bytes = Buffer.concat(this.#chunks);
    const messages: Message[] = [];
    while (bytes.length >= 4) {
      const length = bytes.readUInt32BE(0);
      if (length < headerBytes || length > maxFrameBytes) throw new RangeError(`libvirt message of ${length} bytes: the peer does not speak libvirt's protocol`);
      this.#wanted = length;
      if (bytes.length < length) break;
      messages.push(decode(bytes.subarray(0, length)));
      bytes = bytes.subarray(length);
      this.#wanted = 4;
    }
    this.#chunks = bytes.length === 0 ? [] : [bytes];
    this.#size = bytes.length;
    return messages;
  }
}

function decode(frame: Buffer): Message {
  return {
    program: frame.readUInt32BE(4),
    procedure: frame.readInt32BE(12),
    type: frame.readInt32BE(16),
    serial: frame.readUInt32BE(20),
    status: frame.readInt32BE(24),
    payload: frame.subarray(headerBytes),
  };
}
