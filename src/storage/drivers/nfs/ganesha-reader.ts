import { open, readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';
import { ensureAnswers } from './reachable.ts';
import type { GaneshaFiles } from './ganesha-files.ts';

/** Lines of its log, in this order, about one reading of its exports. */
const BEGUN = 'Received SIGHUP';
const READ = 'Reread exports complete';
const READ_MS = 15_000;
const LOOK_MS = 5;
/** Of its log that is looked at, from the signal on. */
const SAID_BYTES = 4 * 1024 * 1024;

export interface GaneshaReaderOptions {
  readonly files: GaneshaFiles;
  readonly server: string;
  readonly port: number;
}

/** Has nfs-ganesha read its exports again. */
export class GaneshaReader {
  readonly #options: GaneshaReaderOptions;
  #running: Promise<string> | undefined;
  #next: Promise<string> | undefined;
  /** The process that was seen to serve: one that is still starting would be ended by the signal. */
  #serving: number | undefined;

  constructor(options: GaneshaReaderOptions) {
    this.#options = options;
  }

  /** Whatever was written before the call is in force afterwards; what it said of that. Rejects with BackendUnreachable when it does not run. */
  read(): Promise<string> {
    if (this.#running === undefined) return this.#start();
    // One that began before may have missed it; the next will do for all who wait.
    this.#next ??= this.#running.then(() => this.#start(), () => this.#start());
    return this.#next;
  }

  #start(): Promise<string> {
    this.#next = undefined;
    const running = this.#read().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #read(): Promise<string> {
    const { files, server, port } = this.#options;
    const pid = await this.#pid();
    if (pid !== this.#serving) await ensureAnswers(server, port);
    this.#serving = pid;
    const size = await stat(files.logFile).then((found) => found.size, () => 0);
    process.kill(pid, 'SIGHUP');
    for (const deadline = Date.now() + READ_MS; ; await delay(LOOK_MS)) {
      const said = await tail(files.logFile, size);
      const begun = said.indexOf(BEGUN);
      if (begun >= 0 && said.includes(READ, begun)) return said.slice(begun);
      if (!(await isGanesha(pid))) throw new StorageError('BackendUnreachable', 'nfs-ganesha ended while it read its exports');
      if (Date.now() > deadline) throw new StorageError('BackendUnreachable', `nfs-ganesha has not read its exports within ${READ_MS / 1000} s; see ${files.logFile}`);
    }
  }

  async #pid(): Promise<number> {
    const { pidFile } = this.#options.files;
    const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).trim());
    if (!Number.isInteger(pid) || pid < 2 || !(await isGanesha(pid))) throw new StorageError('BackendUnreachable', `nfs-ganesha does not run: ${pidFile} names no process of it`);
    return pid;
  }
}

/** The signal ends most other programs: one that has the same number by now gets none. */
async function isGanesha(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).startsWith('ganesha');
}

/** What was written to a file since it had this size; all of it when it has become shorter. */
async function tail(file: string, from: number): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    const start = size < from ? 0 : from;
    const buffer = Buffer.alloc(Math.min(size - start, SAID_BYTES));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
