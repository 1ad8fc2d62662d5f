import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';
import type { Access } from './access.ts';
import type { GaneshaReader } from './ganesha-reader.ts';
import { isId } from './ids.ts';

export interface Export {
  /** Of the volume; nodes mount `/<id>`. */
  readonly id: string;
  readonly tree: string;
  readonly access: Access;
}

const ENDING = '.conf';

/** Files of the exports of volumes, one each, and what nfs-ganesha knows of them. All follows from the volumes' records. */
export class GaneshaExports {
  readonly #folder: string;
  readonly #reader: GaneshaReader;
  /** What it has read for sure, by id; '' when it has read that there is none. */
  readonly #inForce = new Map<string, string>();

  constructor(folder: string, reader: GaneshaReader) {
    this.#folder = folder;
    this.#reader = reader;
  }

  /** The volume is exported so, from now on. */
  async put(wanted: Export): Promise<void> {
    const text = exportText(wanted);
    if (this.#inForce.get(wanted.id) === text) return;
    await this.#write(wanted.id, text);
    const said = await this.#reader.read();
    const fault = faultIn(said, wanted);
    if (fault !== undefined) throw new StorageError('Failed', `nfs-ganesha does not export volume ${wanted.id}: ${fault}`);
    this.#inForce.set(wanted.id, text);
  }

  /** No client reaches the volume any more. */
  async drop(id: string): Promise<void> {
    if (this.#inForce.get(id) === '') return;
    for (const file of [this.#fileOf(id), this.#passingOf(id)]) await rm(file, { force: true });
    await this.#reader.read();
    this.#inForce.set(id, '');
  }

  /** Nothing remembers the volume. */
  forget(id: string): void {
    this.#inForce.delete(id);
  }

  /** Exactly these are in the files; nfs-ganesha need not run. True when something was not so. */
  async write(all: readonly Export[]): Promise<boolean> {
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    const wanted = new Map(all.map((one) => [one.id, exportText(one)]));
    const present = (await readdir(this.#folder)).filter((name) => name.endsWith(ENDING)).map((name) => name.slice(0, -ENDING.length)).filter(isId);
    const stray = present.filter((id) => !wanted.has(id));
    for (const id of stray) await rm(this.#fileOf(id), { force: true });
    const written = await Promise.all([...wanted].map(([id, text]) => this.#write(id, text)));
    return stray.length > 0 || written.includes(true);
  }

  /** True when the file was not so before. */
  async #write(id: string, text: string): Promise<boolean> {
    const known = await readFile(this.#fileOf(id), 'utf8').catch(nothing);
    if (known === text) return false;
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    await writeFile(this.#passingOf(id), text, { mode: 0o644 });
    // Where it is gone, whoever starts nfs-ganesha has put the same in place meanwhile.
    await rename(this.#passingOf(id), this.#fileOf(id)).catch(nothing);
    return true;
  }

  /** nfs-ganesha reads whatever is in the folder, whole or not: files are made beside it. */
  #passingOf(id: string): string {
    return join(dirname(this.#folder), `.${id}`);
  }

  #fileOf(id: string): string {
    return join(this.#folder, `${id}${ENDING}`);
  }
}

/** Blocks of clients are looked at from the first to the last; who is in none has no access. */
export function exportText({ id, tree, access: { exportId, clients, withdrawn } }: Export): string {
  const client = (names: readonly string[], type: string): readonly string[] =>
    (names.length === 0 ? [] : [`  CLIENT { Clients = ${names.join(', ')}; Access_Type = ${type}; Protocols = 4; }`]);
  return [
    'EXPORT {', `  Export_Id = ${exportId};`, `  Path = "${tree}";`, `  Pseudo = "/${id}";`,
    '  Access_Type = NONE;', '  Squash = No_Root_Squash;', '  SecType = sys;', '  Protocols = 4;', '  Transports = TCP;', '  Attr_Expiration_Time = 0;',
    '  FSAL { Name = VFS; }', ...client(withdrawn, 'NONE'), ...client(clients, 'RW'), '}', '',
  ].join('\n');
}

/** What nfs-ganesha said against an export. */
function faultIn(said: string, { id, tree }: Export): string | undefined {
  return said.split('\n').find((line) => /:(CRIT|MAJ|FATAL) :/.test(line) && (line.includes(tree) || line.includes(`/${id}`) || line.includes('syntax error')))?.replace(/^.*?:(?:CRIT|MAJ|FATAL) :/, '');
}

function nothing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
