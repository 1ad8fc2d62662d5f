import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface OwnFolderOptions {
  /** Default: where temporary files are. */
  readonly parent?: string;
  /** Removes a folder whose process could not. Default: with all that is in it. */
  readonly clear?: (folder: string) => Promise<void>;
}

/** A new folder whose name begins with the prefix, for this process, which removes it. Those of processes that were killed are cleared before. */
export async function ownFolder(prefix: string, { parent = tmpdir(), clear = remove }: OwnFolderOptions = {}): Promise<string> {
  for (const name of (await readdir(parent)).filter((file) => file.startsWith(prefix))) {
    const owner = name.slice(prefix.length).split('-')[0] ?? '';
    if (/^\d+$/.test(owner) && !existsSync(`/proc/${owner}`)) await clear(join(parent, name));
  }
  return mkdtemp(join(parent, `${prefix}${process.pid}-`));
}

function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}
