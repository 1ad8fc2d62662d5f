import { createHash, webcrypto } from 'node:crypto';

/** What is compared, written and digested as one. */
export const SEGMENT_BYTES = 4 * 2 ** 20;
/** Segments that are asked for before they are needed, so that network and disk work at once. */
const AHEAD = 2;
const ZEROS = Buffer.alloc(SEGMENT_BYTES);
const DIGEST_OF_ZEROS = createHash('sha256').update(ZEROS).digest();

/** Of no segments. */
export const NO_DIGEST = '0'.repeat(64);

export interface ReadableDisk {
  readonly sizeBytes: number;
  /** Fills the buffer with what the disk has from the offset on. */
  read(offset: number, into: Buffer): Promise<void>;
}

export interface Segment {
  readonly offset: number;
  readonly data: Buffer;
}

/** Whether the segment that begins there is of interest. */
export type SegmentFilter = (offset: number) => boolean;

/** The segments that such ranges touch. */
export function touchedBy(ranges: readonly (readonly [offset: number, length: number])[]): SegmentFilter {
  const touched = new Set<number>();
  for (const [offset, length] of ranges) for (let number = Math.floor(offset / SEGMENT_BYTES); number * SEGMENT_BYTES < offset + length; number += 1) touched.add(number);
  return (offset) => touched.has(offset / SEGMENT_BYTES);
}

/** The segments of a disk from the offset on, or those of interest, in their order; the last may be shorter. The data of one is good until the next is asked for. */
export async function* segmentsOf(disk: ReadableDisk, fromBytes: number, isWanted: SegmentFilter = () => true): AsyncGenerator<Segment, void, undefined> {
  const { sizeBytes } = disk;
  const free: Buffer[] = Array.from({ length: AHEAD + 1 }, () => Buffer.allocUnsafeSlow(SEGMENT_BYTES));
  const ahead: (Segment & { readonly isRead: Promise<void> })[] = [];
  for (let next = fromBytes; next < sizeBytes || ahead.length > 0;) {
    for (; next < sizeBytes && free.length > 0; next += SEGMENT_BYTES) {
      if (!isWanted(next)) continue;
      const data = (free.pop() as Buffer).subarray(0, sizeBytes - next);
      const isRead = disk.read(next, data);
      // Whoever comes to it is told; nobody may.
      isRead.catch(() => {});
      ahead.push({ offset: next, data, isRead });
    }
    const first = ahead.shift();
    if (first === undefined) return;
    await first.isRead;
    yield { offset: first.offset, data: first.data };
    free.push(first.data);
  }
}

/** The disk with zeros behind it, up to a size that is no smaller. */
export function padded(disk: ReadableDisk, sizeBytes: number): ReadableDisk {
  return {
    sizeBytes,
    async read(offset, into) {
      const there = Math.max(0, Math.min(into.length, disk.sizeBytes - offset));
      into.fill(0, there);
      if (there > 0) await disk.read(offset, into.subarray(0, there));
    },
  };
}

/** The digest of all segments up to and with this one, of which the last came before: sha256(before, sha256(segment)), in hex. */
export async function chained(before: string, data: Buffer): Promise<string> {
  return createHash('sha256').update(Buffer.from(before, 'hex')).update(await digestOf(data)).digest('hex');
}

/** Not on the thread that everything else waits for. */
async function digestOf(data: Buffer): Promise<Buffer> {
  if (data.equals(ZEROS)) return DIGEST_OF_ZEROS;
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', data as Buffer<ArrayBuffer>));
}
