import type { Duplex } from 'node:stream';

/** Where a person, or a pipe, is. */
export interface ConsoleTerminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly output: NodeJS.WritableStream;
}

export interface ConsoleSessionOptions {
  readonly console: Duplex;
  readonly terminal: ConsoleTerminal;
  readonly signal: AbortSignal;
  /** After the end of piped input, the session ends once the guest was silent for this long. Default 1000. */
  readonly drainMs?: number;
  /** The longest time that a talkative guest is listened to after the end of piped input. Default 10 000. */
  readonly longestDrainMs?: number;
}

/** `left`: the person left, or the pipe ended; `closed`: the guest or its node ended. */
export type ConsoleEnd = 'left' | 'closed';

/** Ctrl-], as telnet and virsh have it. */
const escape = 0x1d;

/** Joins a terminal (raw, until Ctrl-]) or a pipe (until its end) with a guest's console, and leaves the terminal as it was. */
export async function consoleSession(options: ConsoleSessionOptions): Promise<ConsoleEnd> {
  const { console: guest, terminal: { input, output }, signal } = options;
  const { promise: ended, resolve, reject } = Promise.withResolvers<ConsoleEnd>();
  const interactive = input.isTTY === true;
  let quiet: NodeJS.Timeout | undefined;
  let longest: NodeJS.Timeout | undefined;
  const onOutput = (chunk: Buffer) => {
    if (!output.write(chunk)) {
      guest.pause();
      output.once('drain', () => guest.resume());
    }
    quiet?.refresh();
  };
  const onInput = (chunk: Buffer | string) => {
    const bytes = Buffer.from(chunk as string);
    const at = interactive ? bytes.indexOf(escape) : -1;
    if (at === 0) return resolve('left');
    const more = guest.write(at > 0 ? bytes.subarray(0, at) : bytes);
    if (at > 0) return resolve('left');
    if (!more) {
      input.pause();
      guest.once('drain', () => input.resume());
    }
  };
  const onInputEnd = () => {
    quiet = setTimeout(() => resolve('left'), options.drainMs ?? 1000);
    longest = setTimeout(() => resolve('left'), options.longestDrainMs ?? 10_000);
  };
  const onAbort = () => resolve('left');
  const onClose = () => resolve('closed');
  guest.on('data', onOutput).once('end', onClose).once('close', onClose).once('error', reject);
  input.on('data', onInput).once('end', onInputEnd).once('error', reject);
  signal.addEventListener('abort', onAbort, { once: true });
  if (interactive) input.setRawMode?.(true);
  input.resume();
  try {
    return await ended;
  } finally {
    clearTimeout(quiet);
    clearTimeout(longest);
    signal.removeEventListener('abort', onAbort);
    if (interactive) input.setRawMode?.(false);
    input.off('data', onInput).off('end', onInputEnd).off('error', reject).pause();
    // A late error of a stream that nobody reads any more is nobody's concern.
    guest.off('data', onOutput).on('error', () => {}).destroy();
  }
}
