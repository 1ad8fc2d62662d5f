import { spawn } from 'node:child_process';
import { YadoError } from './errors.ts';

export interface RunOptions {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Ends the process with SIGKILL after this long. Default 60 000. */
  readonly timeoutMs?: number;
  /** Most bytes of output that are kept; what is beyond it is dropped. Default 16 MiB. */
  readonly maxOutputBytes?: number;
}

/** A program could not be started, failed or took too long; the message ends with its last line of stderr. */
export class CommandError extends YadoError {
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(command: string, exitCode: number | null, stderr: string, cause?: unknown) {
    const lastLine = stderr.trim().split('\n').at(-1) ?? '';
    super('CommandFailed', `${command} failed${exitCode === null ? '' : ` with exit code ${exitCode}`}${lastLine === '' ? '' : `: ${lastLine}`}`, { cause });
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** Runs a program to its end and returns its standard output. Throws CommandError when it does not exit with 0. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const command = [file, ...args].join(' ').slice(0, 300);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    signal: options.signal,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // spawn's own timeout goes on waiting for a program that could not be started.
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  const limit = options.maxOutputBytes ?? 16 * 1024 * 1024;
  const stdout = collect(child.stdout, limit);
  const stderr = collect(child.stderr, limit);
  child.on('error', (error) => {
    clearTimeout(timer);
    reject(new CommandError(command, null, stderr(), error));
  });
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (code === 0) resolve(stdout());
    else reject(new CommandError(command, code, stderr(), signal === null ? undefined : new Error(`ended by ${signal}`)));
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return promise;
}

function collect(stream: NodeJS.ReadableStream, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
