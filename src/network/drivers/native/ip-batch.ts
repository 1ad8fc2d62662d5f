import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { messageOf } from '../../../base/errors.ts';
import { silentLog, type Log } from '../../../base/log.ts';
import { NetworkError } from '../../port.ts';

/** One line of `ip -batch` or `tc -batch`. */
export interface IpCommand {
  /** Without the leading `ip` or `tc`. */
  readonly text: string;
  /** A failure whose message matches is none: the state was already there. */
  readonly tolerate?: RegExp;
}

export interface IpBatchOptions {
  readonly log?: Log;
  /** Default `ip`; iproute2's `tc` speaks the same way. */
  readonly program?: 'ip' | 'tc';
  /** Another network namespace, as a path. */
  readonly namespace?: string;
  /** A batch that takes longer ends the process. Default 10 000. */
  readonly timeoutMs?: number;
}

interface Pending {
  readonly commands: readonly IpCommand[];
  readonly failures: string[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimeout: () => void;
  firstLine: number;
}

/** Fails always and changes nothing: its numbered failure tells that all lines before it are done. */
const MARKER = { ip: 'link show dev yado-none', tc: 'qdisc show dev yado-none' } as const;
const FAILED = /^(?:Command failed -:(\d+)|.*[^\n]Command failed -:(\d+))$/;

class Lost extends NetworkError {
  constructor(message: string) {
    super('InterfaceError', message);
  }
}

/**
 * A kept `ip -force -batch -` (or `tc`): kernel changes without a process each. Batches run in order; commands must be idempotent,
 * because a batch that was under way when the process died is run once more.
 */
export class IpBatch implements AsyncDisposable {
  readonly #options: IpBatchOptions;
  readonly #log: Log;
  readonly #program: 'ip' | 'tc';
  #child: ChildProcessWithoutNullStreams | undefined;
  #lines = 0;
  #pending: Pending[] = [];
  #message = '';
  #rest = '';
  #disposed = false;

  constructor(options: IpBatchOptions = {}) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#program = options.program ?? 'ip';
  }

  /** Resolves once the kernel has all of them. Throws InterfaceError naming every command that failed. */
  async run(commands: readonly IpCommand[]): Promise<void> {
    if (commands.length === 0) return;
    try {
      await this.#submit(commands);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      this.#log.warn({ error: messageOf(error) }, `${this.#program} ended, running the batch again`);
      await this.#submit(commands);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.stdin.end();
    const kill = setTimeout(() => child.kill('SIGKILL'), 2000);
    await gone;
    clearTimeout(kill);
  }

  #submit(commands: readonly IpCommand[]): Promise<void> {
    if (this.#disposed) return Promise.reject(new NetworkError('NetworkNotReady', 'the node\'s network has been stopped'));
    const child = (this.#child ??= this.#spawn());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timeout = setTimeout(() => child.kill('SIGKILL'), this.#options.timeoutMs ?? 10_000);
    timeout.unref();
    this.#pending.push({ commands, failures: [], resolve, reject, cancelTimeout: () => clearTimeout(timeout), firstLine: this.#lines + 1 });
    this.#lines += commands.length + 1;
    child.stdin.write(`${[...commands.map(({ text }) => text), MARKER[this.#program]].join('\n')}\n`);
    return promise;
  }

  #spawn(): ChildProcessWithoutNullStreams {
    const { namespace } = this.#options;
    const arguments_ = ['-force', '-batch', '-'];
    // `ip -n` takes names only, not paths.
    const child = namespace === undefined ? spawn(this.#program, arguments_) : spawn('nsenter', [`--net=${namespace}`, this.#program, ...arguments_]);
    this.#lines = 0;
    this.#message = '';
    this.#rest = '';
    child.stdout.resume();
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
    const lost = (error: Error): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      const pending = this.#pending;
      this.#pending = [];
      for (const entry of pending) {
        entry.cancelTimeout();
        entry.reject(error);
      }
    };
    child.on('error', (error) => lost(new NetworkError('InterfaceError', `${this.#program} could not be started; install iproute2`, { cause: error })));
    child.on('close', (code, signal) => lost(new Lost(`${this.#program} ended (${signal ?? code ?? 'unknown'}) ${this.#message}${this.#rest}`.trim())));
    return child;
  }

  #read(chunk: string): void {
    const lines = `${this.#rest}${chunk}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const failed = FAILED.exec(line);
      if (failed === null) this.#message += `${line}\n`;
      else this.#failure(Number(failed[1] ?? failed[2]));
    }
  }

  #failure(line: number): void {
    const message = this.#message.trim();
    this.#message = '';
    const entry = this.#pending[0];
    if (entry === undefined) return;
    const command = entry.commands[line - entry.firstLine];
    if (command !== undefined) {
      if (command.tolerate?.test(message) !== true) entry.failures.push(`${this.#program} ${command.text}: ${message}`);
      return;
    }
    this.#pending.shift();
    entry.cancelTimeout();
    if (entry.failures.length === 0) entry.resolve();
    else entry.reject(new NetworkError('InterfaceError', entry.failures.join('; ')));
  }
}

/** Runs one batch in another network namespace, by a process of its own. */
export async function runInNamespace(path: string, commands: readonly IpCommand[], program: 'ip' | 'tc' = 'ip'): Promise<void> {
  await using batch = new IpBatch({ namespace: path, program });
  await batch.run(commands);
}
