import { closeSync, openSync } from 'node:fs';
import { copyFile, mkdir, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A log is turned over at this size; one older copy is kept beside it as `<file>.1`. */
export const logLimitBytes = 16 * 1024 * 1024;

/** Opens a log for a child's output. Appending, so that it can be cut while the child writes. */
export async function openLog(path: string): Promise<{ readonly descriptor: number; close(): void }> {
  await mkdir(dirname(path), { recursive: true });
  const descriptor = openSync(path, 'a', 0o600);
  return { descriptor, close: () => closeSync(descriptor) };
}

/** Copies a log that has grown too large aside and empties it. The few lines written in between are lost. */
export async function turnOverLog(path: string, limitBytes = logLimitBytes): Promise<boolean> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size <= limitBytes) return false;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  return true;
}
