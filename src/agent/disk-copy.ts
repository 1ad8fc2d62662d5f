import type { DiskCopyProgress } from '../api/disk-copies.ts';
import type { Clock } from '../base/clock.ts';
import { YadoError } from '../base/errors.ts';
import { chained, NO_DIGEST, padded, SEGMENT_BYTES, segmentsOf, type ReadableDisk, type SegmentFilter } from './disk-segments.ts';

/** Where a copy is made, of just its size. What is read there is what the disk holds, and no memory of what was written to it, where that can be had. */
export interface CopyTarget extends ReadableDisk {
  /** Whether this is what it has from the offset on. */
  holds(offset: number, data: Buffer): Promise<boolean>;
  write(offset: number, data: Buffer): Promise<void>;
  /** Resolves when nothing that was written is lost any more. */
  flush(): Promise<void>;
}

export interface CopyOptions {
  readonly target: CopyTarget;
  /** Takes note of how far it is: what the progress tells is there to stay. */
  readonly checkpoint: (progress: DiskCopyProgress) => Promise<void>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Segments that may be otherwise on the target than on the source: no others are read, compared, or verified. Default: all. */
  readonly changed?: SegmentFilter;
  /** From one note to the next, at least. Default 5000. */
  readonly checkpointMs?: number;
  /** Told of each segment that was read from the source, written to the target, or verified. */
  readonly observe?: (what: 'read' | 'written' | 'verified', bytes: number) => void;
}

/** Another is on the disk than was copied there. */
export class CopyMismatchError extends YadoError {
  constructor() {
    super('CopyMismatch', 'what is on the disk is not what was copied to it; the copy begins anew', { disposition: 'retry' });
  }
}

const CHECKPOINT_MS = 5_000;

export function beginning(image: string): DiskCopyProgress {
  return { image, phase: 'Copying', offsetBytes: 0, writtenBytes: 0, digest: NO_DIGEST };
}

/** Where to go on: where one of these came to with the same image, the first of them that did; else at the beginning. */
export function startOf(image: string, sizeBytes: number, ...known: readonly (DiskCopyProgress | undefined)[]): DiskCopyProgress {
  return known.find((progress) => progress?.image === image && fits(progress, sizeBytes)) ?? beginning(image);
}

/**
 * Makes the target from `start` on what the source is. Only segments that differ are written, so that a target that is
 * nearly the same costs little more than reading both; a smaller source ends with zeros. Ends with what `verifyCopy` begins with.
 */
export async function copyDisk(source: ReadableDisk, start: DiskCopyProgress, { target, checkpoint, clock, signal, observe, changed, checkpointMs = CHECKPOINT_MS }: CopyOptions): Promise<DiskCopyProgress> {
  if (source.sizeBytes > target.sizeBytes) throw new YadoError('DiskTooSmall', `the image holds a disk of ${source.sizeBytes} bytes, and the copy is to have ${target.sizeBytes}`, { disposition: 'stalled' });
  let progress = start;
  let notedAt = clock.now();
  for await (const { offset, data } of segmentsOf(padded(source, target.sizeBytes), start.offsetBytes, changed)) {
    signal.throwIfAborted();
    observe?.('read', data.length);
    const [digest, written] = await Promise.all([chained(progress.digest, data), writeDifferent(target, offset, data)]);
    if (written > 0) observe?.('written', written);
    progress = { ...progress, offsetBytes: offset + data.length, writtenBytes: progress.writtenBytes + written, digest };
    if (clock.now() - notedAt < checkpointMs) continue;
    await target.flush();
    await checkpoint(progress);
    notedAt = clock.now();
  }
  await target.flush();
  const copied: DiskCopyProgress = { ...progress, phase: 'Verifying', offsetBytes: 0 };
  await checkpoint(copied);
  return copied;
}

/** Reads the target anew. Rejects with CopyMismatchError, having noted that the copy is at its beginning, where it is not what was copied. */
export async function verifyCopy(copied: DiskCopyProgress, { target, checkpoint, clock, signal, observe, changed, checkpointMs = CHECKPOINT_MS }: CopyOptions): Promise<DiskCopyProgress> {
  let digest = NO_DIGEST;
  let notedAt = clock.now();
  for await (const { offset, data } of segmentsOf(target, 0, changed)) {
    signal.throwIfAborted();
    digest = await chained(digest, data);
    observe?.('verified', data.length);
    if (clock.now() - notedAt < checkpointMs) continue;
    await checkpoint({ ...copied, offsetBytes: offset + data.length });
    notedAt = clock.now();
  }
  if (digest !== copied.digest) {
    await checkpoint(beginning(copied.image));
    throw new CopyMismatchError();
  }
  const verified = { ...copied, offsetBytes: target.sizeBytes };
  await checkpoint(verified);
  return verified;
}

/** Bytes that were written. */
async function writeDifferent(target: CopyTarget, offset: number, data: Buffer): Promise<number> {
  if (await target.holds(offset, data)) return 0;
  await target.write(offset, data);
  return data.length;
}

/** Others may have written it: what cannot be is not gone on with. */
function fits({ phase, offsetBytes, writtenBytes, digest }: DiskCopyProgress, sizeBytes: number): boolean {
  const isWhole = [offsetBytes, writtenBytes].every((bytes) => Number.isSafeInteger(bytes) && bytes >= 0);
  if (!isWhole || !/^[0-9a-f]{64}$/.test(digest)) return false;
  return phase === 'Verifying' || (phase === 'Copying' && offsetBytes <= sizeBytes && (offsetBytes % SEGMENT_BYTES === 0 || offsetBytes === sizeBytes));
}
