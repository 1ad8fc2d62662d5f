import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf, messageOf } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import { ImageError, type ImageReference, type ImportProgress } from '../port.ts';

export interface FetchOptions {
  readonly maximumBytes: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ImportProgress) => void;
}

/** Copies the image's source to `target`, counting, limiting and checking what passes. Rejects with an ImageError. */
export async function fetchImage(image: ImageReference, target: string, options: FetchOptions): Promise<void> {
  try {
    if (image.source.kind === 'file' && image.checksum === undefined) return await cloneFile(image, image.source.path, target, options);
    const { stream, totalBytes } = image.source.kind === 'file' ? await openFile(image, image.source.path) : await openUrl(image, image.source.url, options.signal);
    const check = parseChecksum(image);
    await pipeline(stream, meter(image, check?.hash, totalBytes, options), createWriteStream(target, { flags: 'wx' }), { signal: options.signal });
    if (check === undefined) return;
    const digest = check.hash.digest('hex');
    if (digest !== check.digest) throw new ImageError('ImageChecksumMismatch', `image ${image.name} is not what its checksum says; expected ${check.digest}, got ${digest}: correct the checksum or the source`, { disposition: 'stalled' });
  } catch (error) {
    options.signal.throwIfAborted();
    throw imageError(image, error);
  }
}

/** A full disk and a lost source told apart from all else. */
export function imageError(image: ImageReference, error: unknown): Error {
  if (error instanceof ImageError) return error;
  if (errnoOf(error) === 'ENOSPC' || /No space left/.test(messageOf(error))) return new ImageError('DiskFull', `no space for image ${image.name} on this node; free some or make its disk larger`, { cause: error, disposition: 'retry' });
  if (errnoOf(error) === 'ENOENT') return new ImageError('ImageNotFound', `image ${image.name} is not where its source says: ${messageOf(error)}`, { cause: error, disposition: 'stalled' });
  return new ImageError('ImageUnreachable', `image ${image.name} cannot be read: ${messageOf(error)}`, { cause: error, disposition: 'retry' });
}

async function cloneFile(image: ImageReference, path: string, target: string, options: FetchOptions): Promise<void> {
  const { size } = await regularFile(image, path);
  if (size > options.maximumBytes) throw tooLarge(image, options.maximumBytes);
  // Shares the blocks where the filesystem can; never a hard link, since the source may be written to later.
  await run('cp', ['--reflink=auto', '--sparse=auto', '--', path, target], { signal: options.signal, timeoutMs: 3_600_000 });
  options.onProgress({ bytes: size, totalBytes: size });
}

async function openFile(image: ImageReference, path: string): Promise<{ stream: Readable; totalBytes: number | undefined }> {
  const { size } = await regularFile(image, path);
  return { stream: createReadStream(path), totalBytes: size };
}

async function regularFile(image: ImageReference, path: string): Promise<{ readonly size: number }> {
  const found = await stat(path);
  if (!found.isFile()) throw new ImageError('ImageInvalid', `the source of image ${image.name}, ${path}, is no regular file`, { disposition: 'stalled' });
  return found;
}

async function openUrl(image: ImageReference, url: string, signal: AbortSignal): Promise<{ stream: Readable; totalBytes: number | undefined }> {
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    const gone = response.status === 404 || response.status === 410;
    throw new ImageError(gone ? 'ImageNotFound' : 'ImageUnreachable', `image ${image.name}: ${url} answers ${response.status} ${response.statusText}`, { disposition: gone ? 'stalled' : 'retry' });
  }
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const plain = response.headers.get('content-encoding') === null;
  return { stream: Readable.fromWeb(response.body), totalBytes: plain && Number.isFinite(length) ? length : undefined };
}

function meter(image: ImageReference, hash: Hash | undefined, totalBytes: number | undefined, options: FetchOptions): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash?.update(chunk);
      options.onProgress(totalBytes === undefined ? { bytes } : { bytes, totalBytes });
      if (bytes > options.maximumBytes) done(tooLarge(image, options.maximumBytes));
      else done(null, chunk);
    },
  });
}

function tooLarge(image: ImageReference, maximumBytes: number): ImageError {
  return new ImageError('ImageInvalid', `image ${image.name} is larger than the ${maximumBytes} bytes that this node takes`, { disposition: 'stalled' });
}

function parseChecksum(image: ImageReference): { readonly hash: Hash; readonly digest: string } | undefined {
  if (image.checksum === undefined) return undefined;
  const [, kind = '', digest = ''] = /^(sha256|sha512):([0-9a-f]+)$/i.exec(image.checksum) ?? [];
  if (digest.length !== (kind.toLowerCase() === 'sha512' ? 128 : 64)) throw new ImageError('ImageInvalid', `the checksum of image ${image.name} must be sha256:<64 hex digits> or sha512:<128 hex digits>`, { disposition: 'stalled' });
  return { hash: createHash(kind.toLowerCase()), digest: digest.toLowerCase() };
}
