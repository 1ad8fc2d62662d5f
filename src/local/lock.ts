import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LocalError } from './errors.ts';

export interface LockOptions {
  /** Called once when somebody else holds the lock and we begin to wait. */
  readonly onWait?: () => void;
  readonly signal?: AbortSignal;
}

/**
 * Holds an exclusive lock on a file while `work` runs. The kernel frees it when the holder dies, however that happens:
 * a child of ours holds it until its standard input closes.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const holder = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo locked; exec cat >/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = setTimeout(() => options.onWait?.(), 300);
  const abort = () => holder.stdin.end();
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('error', (cause) => reject(new LocalError('LockFailed', `Could not lock ${path}; is the program flock (package util-linux) there?`, { cause })));
      holder.once('exit', () => reject(new LocalError('LockFailed', `Could not lock ${path}.`)));
      options.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error), { once: true });
    });
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    abort();
    if (holder.exitCode === null) holder.kill('SIGKILL');
  }
}
