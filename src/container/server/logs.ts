import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { Cri } from '../cri.ts';
import { LinkError } from '../link/port.ts';
import { ContainerError } from '../port.ts';
import type { LogFile } from './log-file.ts';
import { LogLines } from './log-lines.ts';
import type { LogOptions } from './log-options.ts';

export interface LogSource {
  readonly file: LogFile;
  readonly cri: Pick<Cri, 'containerStatus' | 'onChange'>;
  /** Its id. */
  readonly container: string;
}

/** A follower looks this often while there is news, and ever less often up to the second figure while there is none. */
const LOOK_MS = 100;
const IDLE_LOOK_MS = 500;
/** How long an answer to whether the container runs is believed, when the runtime tells of no change. */
const STATE_MS = 1000;

/** Writes a container's log until its present end, or with `follow` until the container has ended. */
export async function streamLog(source: LogSource, options: LogOptions, out: Writable, clock: Clock, signal: AbortSignal): Promise<void> {
  const { file } = source;
  const lines = new LogLines(options);
  if (options.tailLines !== undefined) await file.seekLines(options.tailLines, signal);
  if (!options.follow) return void await copy(file, lines, out, signal);
  using state = new RunState(source, clock);
  for (let pause = LOOK_MS; ; pause = Math.min(pause * 2, IDLE_LOOK_MS)) {
    const news = await unlessAway(async () => {
      const running = await state.isRunning(signal);
      const bytes = await copy(file, lines, out, signal);
      return { bytes, ended: !running || lines.full };
    });
    if (news?.ended === true) return;
    if ((news?.bytes ?? 0) > 0) pause = LOOK_MS;
    await clock.sleep(pause, signal);
  }
}

class RunState implements Disposable {
  readonly #source: LogSource;
  readonly #clock: Clock;
  readonly #unlisten: () => void;
  #goodUntil = -Infinity;

  constructor(source: LogSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    this.#unlisten = source.cri.onChange(() => void (this.#goodUntil = -Infinity));
  }

  async isRunning(signal: AbortSignal): Promise<boolean> {
    if (this.#clock.now() < this.#goodUntil) return true;
    this.#goodUntil = this.#clock.now() + STATE_MS;
    const { cri, container } = this.#source;
    return (await cri.containerStatus(container, signal))?.state === 'RUNNING';
  }

  [Symbol.dispose](): void {
    this.#unlisten();
  }
}

/** Undefined while the guest or its runtime cannot be reached: its containers go on, so whoever follows their logs waits. */
async function unlessAway<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const isAway = (error instanceof LinkError && error.code === 'LinkDown') || (error instanceof ContainerError && error.code === 'RuntimeUnavailable');
    if (isAway) return undefined;
    throw error;
  }
}

/** Resolves with the count of bytes that were read. */
async function copy(file: LogFile, lines: LogLines, out: Writable, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const piece of file.news(signal)) {
    bytes += piece.length;
    const text = lines.take(piece);
    if (text.length > 0 && !out.write(text)) await drained(out, signal);
    if (lines.full) break;
  }
  return bytes;
}

async function drained(out: Writable, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  out.once('drain', resolve);
  try {
    if (signal.aborted) stop();
    await promise;
  } finally {
    signal.removeEventListener('abort', stop);
    out.off('drain', resolve);
  }
}
