import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, run } from '../../base/process.ts';
import { ImageError, type ImageReference } from '../port.ts';

interface QemuInfo {
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'backing-filename'?: string;
  readonly 'format-specific'?: { readonly data?: { readonly 'data-file'?: string } };
}

/**
 * The size that a guest sees of this disk image, in bytes. Rejects with ImageInvalid what is not of the stated format,
 * and a qcow2 that refers to other files: those would be files of this node that the guest must not read.
 */
export async function verifyDisk(image: ImageReference, path: string, signal: AbortSignal): Promise<number> {
  const format = image.format === 'qcow2' ? 'qcow2' : 'raw';
  if (image.format === 'iso' && !(await isIso(path))) throw invalid(image, 'it is no ISO 9660 filesystem');
  if (format === 'raw') return (await stat(path)).size;
  const info = await qemuInfo(image, path, signal);
  if (info['backing-filename'] !== undefined) throw invalid(image, 'it has a backing file; flatten it with qemu-img convert');
  if (info['format-specific']?.data?.['data-file'] !== undefined) throw invalid(image, 'it has an external data file; flatten it with qemu-img convert');
  return info['virtual-size'];
}

/** Unpacks an archive into `folder`: regular files and folders only, nothing outside of it. Returns the sum of sizes. */
export async function unpackArchive(image: ImageReference, path: string, folder: string, maximumBytes: number, signal: AbortSignal): Promise<number> {
  const listing = await run('tar', ['-tvf', path, '--numeric-owner', '--quoting-style=escape'], { signal, timeoutMs: 300_000 }).catch((error: unknown) => {
    throw asInvalid(image, error, signal);
  });
  let total = 0;
  for (const line of listing.split('\n').filter((entry) => entry !== '')) {
    const [mode = '', , size = '0', , , ...rest] = line.split(/ +/);
    const name = rest.join(' ');
    if (mode[0] !== '-' && mode[0] !== 'd') throw invalid(image, `its member ${name} is neither a file nor a folder`);
    if (name.startsWith('/') || name.split('/').includes('..')) throw invalid(image, `its member ${name} lies outside of the archive`);
    total += Number(size);
  }
  if (total === 0) throw invalid(image, 'it is empty');
  if (total > maximumBytes) throw invalid(image, `its members are larger than the ${maximumBytes} bytes that this node takes`);
  await mkdir(folder);
  await run('tar', ['-xf', path, '-C', folder, '--no-same-owner', '--no-same-permissions', '--keep-old-files'], { signal, timeoutMs: 600_000 });
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() && !entry.isDirectory()) throw invalid(image, `its member ${join(entry.parentPath, entry.name)} is neither a file nor a folder`);
  }
  return total;
}

async function qemuInfo(image: ImageReference, path: string, signal: AbortSignal): Promise<QemuInfo> {
  try {
    // The format is stated, never guessed from the content, which the image's maker controls.
    return JSON.parse(await run('qemu-img', ['info', '-f', 'qcow2', '--output=json', path], { signal, timeoutMs: 60_000 })) as QemuInfo;
  } catch (error) {
    throw asInvalid(image, error, signal);
  }
}

async function isIso(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(5), 0, 5, 32_769);
    return buffer.toString('latin1') === 'CD001';
  } finally {
    await file.close();
  }
}

function asInvalid(image: ImageReference, error: unknown, signal: AbortSignal): unknown {
  signal.throwIfAborted();
  return error instanceof CommandError && error.exitCode !== null ? invalid(image, `it is not of the format ${image.format}: ${error.message}`, error) : error;
}

function invalid(image: ImageReference, why: string, cause?: unknown): ImageError {
  return new ImageError('ImageInvalid', `image ${image.name} cannot be used: ${why}`, { cause, disposition: 'stalled' });
}
