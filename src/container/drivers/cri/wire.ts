/** Protobuf's wire format, as far as CRI's messages need it: https://protobuf.dev/programming-guides/encoding/ */
export type WireField = readonly [field: number, value: string | number | Buffer];

/** Numbers become varints, all else is written with its length. */
export function encodeMessage(fields: readonly WireField[]): Buffer {
  return Buffer.concat(fields.flatMap(([field, value]) => {
    if (typeof value === 'number') return [varint(field << 3), varint(value)];
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    return [varint((field << 3) | 2), varint(bytes.length), bytes];
  }));
}

/** A message's fields by their numbers; unknown ones are the caller's to ignore. */
export class WireMessage {
  readonly #fields = new Map<number, (number | Buffer)[]>();

  constructor(bytes: Buffer) {
    const cursor = { at: 0 };
    while (cursor.at < bytes.length) {
      const tag = readVarint(bytes, cursor);
      const value = readValue(bytes, cursor, tag % 8);
      const field = Math.floor(tag / 8);
      const values = this.#fields.get(field);
      if (values === undefined) this.#fields.set(field, [value]);
      else values.push(value);
    }
  }

  /** The text of a field; empty when it is absent. */
  text(field: number): string {
    const value = this.#last(field);
    return Buffer.isBuffer(value) ? value.toString('utf8') : '';
  }

  /** The number of a field; 0 when it is absent. Inexact beyond 2^53. */
  number(field: number): number {
    const value = this.#last(field);
    return typeof value === 'number' ? value : 0;
  }

  message(field: number): WireMessage {
    const value = this.#last(field);
    return new WireMessage(Buffer.isBuffer(value) ? value : Buffer.alloc(0));
  }

  messages(field: number): readonly WireMessage[] {
    return (this.#fields.get(field) ?? []).filter((value) => Buffer.isBuffer(value)).map((value) => new WireMessage(value));
  }

  #last(field: number): number | Buffer | undefined {
    return this.#fields.get(field)?.at(-1);
  }
}

interface Cursor {
  at: number;
}

function readValue(bytes: Buffer, cursor: Cursor, wireType: number): number | Buffer {
  if (wireType === 0) return readVarint(bytes, cursor);
  const length = wireType === 2 ? readVarint(bytes, cursor) : wireType === 1 ? 8 : wireType === 5 ? 4 : undefined;
  if (length === undefined || cursor.at + length > bytes.length) throw new RangeError('the message is cut short or of an unknown format');
  cursor.at += length;
  return bytes.subarray(cursor.at - length, cursor.at);
}

function readVarint(bytes: Buffer, cursor: Cursor): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[cursor.at];
    if (byte === undefined) throw new RangeError('the message is cut short');
    cursor.at += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
