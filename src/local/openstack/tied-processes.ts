import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from '../errors.ts';
import { openLog } from '../log-file.ts';

const ERROR_LINES = 12;
const OTHER_LINES = 3;
const LINE_LENGTH = 400;

/** Processes by their names that end with this one, however that ends. Each writes a log of its own. */
export class TiedProcesses<Name extends string> {
  readonly #logs: string;
  readonly #children = new Map<Name, ChildProcess>();
  readonly #failed = new AbortController();

  /** `logs` is a folder, which is made. */
  constructor(logs: string) {
    this.#logs = logs;
  }

  /** Aborts once one has ended that was not to, with an error that has the end of its log. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  async start(name: Name, command: readonly string[]): Promise<void> {
    const log = await openLog(this.logOf(name));
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], { stdio: ['ignore', log.descriptor, log.descriptor], cwd: '/' });
    log.close();
    this.#children.set(name, child);
    child.once('exit', (code, signal) => void this.#report(name, child, code === null ? `by ${signal}` : `with exit code ${code}`));
    child.once('error', (error) => void this.#report(name, child, error.message));
  }

  /** Of what it runs as; undefined when it does not. */
  pidOf(name: Name): number | undefined {
    return this.#children.get(name)?.pid;
  }

  /** SIGTERM, and SIGKILL after that many milliseconds; 0 sends SIGKILL at once. Resolves when it has ended. */
  async stop(name: Name, graceMs: number): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(graceMs === 0 ? 'SIGKILL' : 'SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await ended;
    clearTimeout(timer);
  }

  /** Ends all at once, those first that were started last. */
  async kill(): Promise<void> {
    for (const name of [...this.#children.keys()].toReversed()) await this.stop(name, 0);
  }

  logOf(name: Name): string {
    return join(this.#logs, `${name}.log`);
  }

  /** The last lines that it said. */
  async tail(name: Name): Promise<string> {
    return lastLines(await readFile(this.logOf(name), 'utf8').catch(() => ''));
  }

  async #report(name: Name, child: ChildProcess, how: string): Promise<void> {
    if (this.#children.get(name) !== child) return;
    this.#failed.abort(new LocalError('ProcessEnded', `${name} ended ${how}. The end of ${this.logOf(name)}:\n${await this.tail(name)}`, { disposition: 'retry' }));
  }
}

/** Those that tell what is wrong, where there are any; else the last few. Without colors, and not at any length. */
export function lastLines(text: string): string {
  // eslint-disable-next-line no-control-regex
  const lines = text.trimEnd().replaceAll(/\u001b\[\d*m/g, '').split('\n').map((line) => line.slice(0, LINE_LENGTH));
  const errors = lines.filter((line) => / (ERROR|CRITICAL) |Error\b|^Traceback/.test(line));
  return errors.length > 0 ? errors.slice(-ERROR_LINES).join('\n') : lines.slice(-OTHER_LINES).join('\n');
}
