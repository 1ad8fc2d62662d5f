import { watch, type FSWatcher } from 'node:fs';
import { appendFile, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export interface ConsoleForwarderOptions {
  /** What the guest's serial console prints: appended by QEMU. */
  readonly consolePath: string;
  /** Folder of the anchor's container log, /var/log/pods/<namespace>_<pod>_<uid>/<container>. */
  readonly logDirectory: string;
  readonly log: Log;
}

const CHUNK_BYTES = 64 * 1024;
/** A line that is not ended (a prompt) is passed on after this long. */
const PARTIAL_MS = 250;
/** The kubelet makes the log a while after the guest speaks. */
const RETRY_MS = 500;
/** Beyond this a file whose content is passed on is emptied; QEMU appends, so it goes on at its beginning. */
const CONSOLE_LIMIT_BYTES = 8 * 1024 * 1024;

/**
 * Passes a guest's console on to the log of its anchor's container, so that `kubectl logs` shows it. The anchor's own
 * process prints nothing, so this is the log's only writer. How far it got is kept beside the console, for the next process.
 */
export class ConsoleForwarder implements Disposable {
  readonly #options: ConsoleForwarderOptions;
  #offset: number | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: ConsoleForwarderOptions) {
    this.#options = options;
    this.#poke();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #poke(): void {
    this.#work = this.#work.then(() => this.#forward()).catch((error: unknown) => {
      this.#options.log.debug({ console: this.#options.consolePath, error: messageOf(error) }, 'console is passed on later');
      this.#later(RETRY_MS);
    });
  }

  #later(ms: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poke(), ms);
    this.#timer.unref();
  }

  async #forward(): Promise<void> {
    if (this.#closed) return;
    this.#watcher ??= watch(this.#options.consolePath, () => this.#poke()).on('error', () => this.#later(RETRY_MS));
    this.#offset ??= await readOffset(this.#options.consolePath);
    // A console that was emptied, as at a guest's start, begins anew.
    if ((await stat(this.#options.consolePath)).size < this.#offset) this.#offset = 0;
    for (;;) {
      const chunk = await readChunk(this.#options.consolePath, this.#offset);
      if (chunk.length === 0) break;
      const end = chunk.lastIndexOf(10) + 1;
      const partial = end === 0 && chunk.length < CHUNK_BYTES;
      if (partial) {
        await new Promise((resolve) => setTimeout(resolve, PARTIAL_MS));
        if ((await readChunk(this.#options.consolePath, this.#offset)).length > chunk.length) continue;
      }
      await this.#write(chunk.subarray(0, end === 0 ? chunk.length : end));
      this.#offset += end === 0 ? chunk.length : end;
      await writeFile(`${this.#options.consolePath}.forwarded`, String(this.#offset));
    }
    if (this.#offset > CONSOLE_LIMIT_BYTES) await this.#empty();
  }

  async #write(bytes: Buffer): Promise<void> {
    const { logDirectory } = this.#options;
    const numbers = (await readdir(logDirectory)).flatMap((name) => (/^\d+\.log$/.test(name) ? [Number.parseInt(name, 10)] : []));
    if (numbers.length === 0) throw new Error(`no log in ${logDirectory} yet`);
    await appendFile(path.join(logDirectory, `${Math.max(...numbers)}.log`), toCriLines(bytes, new Date()));
  }

  async #empty(): Promise<void> {
    await truncate(this.#options.consolePath);
    this.#offset = 0;
    await writeFile(`${this.#options.consolePath}.forwarded`, '0');
  }
}

/** Lines of the CRI's log format: time, stream, F for a full or P for a partial line, text. */
export function toCriLines(bytes: Buffer, now: Date): string {
  const time = now.toISOString().replace('Z', '000000Z');
  const lines = bytes.toString('utf8').split('\n');
  const last = lines.pop() ?? '';
  const full = lines.map((line) => `${time} stdout F ${line.replace(/\r+$/, '')}\n`);
  return full.join('') + (last === '' ? '' : `${time} stdout P ${last}\n`);
}

async function readOffset(consolePath: string): Promise<number> {
  const text = await readFile(`${consolePath}.forwarded`, 'utf8').catch(() => '0');
  return Number.parseInt(text, 10) || 0;
}

async function readChunk(file: string, offset: number): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
