/** Writes XDR (RFC 4506): big-endian, everything padded to four bytes. */
export class XdrWriter {
  readonly #parts: Buffer[] = [];

  int(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeInt32BE(value);
    this.#parts.push(part);
    return this;
  }

  unsigned(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeUInt32BE(value >>> 0);
    this.#parts.push(part);
    return this;
  }

  unsignedHyper(value: number): this {
    const part = Buffer.allocUnsafe(8);
    part.writeBigUInt64BE(BigInt(value));
    this.#parts.push(part);
    return this;
  }

  /** Bytes of a length that both sides know. */
  opaque(value: Buffer): this {
    this.#parts.push(value, padding(value.length));
    return this;
  }

  string(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.unsigned(bytes.length).opaque(bytes);
  }

  optionalString(value: string | undefined): this {
    return value === undefined ? this.unsigned(0) : this.unsigned(1).string(value);
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads XDR. Throws a RangeError when the message ends too early or states an impossible length. */
export class XdrReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  unsigned(): number {
    return this.#take(4).readUInt32BE();
  }

  hyper(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  unsignedHyper(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  double(): number {
    return this.#take(8).readDoubleBE();
  }

  opaque(length: number): Buffer {
    const bytes = this.#take(length);
    this.#take(padding(length).length);
    return bytes;
  }

  string(): string {
    return this.opaque(this.unsigned()).toString('utf8');
  }

  optional<T>(read: (reader: this) => T): T | undefined {
    return this.unsigned() === 0 ? undefined : read(this);
  }

  optionalString(): string | undefined {
    return this.optional((reader) => reader.string());
  }

  array<T>(read: (reader: this) => T): T[] {
    const length = this.unsigned();
    if (length > this.#bytes.length - this.#offset) throw new RangeError(`XDR: an array of ${length} items does not fit into the message`);
    return Array.from({ length }, () => read(this));
  }

  /** What has not been read yet. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#offset);
  }

  #take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new RangeError(`XDR: ${length} bytes wanted, ${this.#bytes.length - this.#offset} left`);
    const bytes = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }
}

const paddings = [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(2), Buffer.alloc(1)];

function padding(length: number): Buffer {
  return paddings[length % 4] ?? Buffer.alloc(0);
}
