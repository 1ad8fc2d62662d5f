import type { LogOptions } from './log-options.ts';
import { fullTime, nanosecondsOf } from './log-time.ts';

/** A line of CRI's log format: `2026-01-01T12:00:00.000000000Z stdout F text`; a P in place of the F says that the line goes on. */
interface LogEntry {
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  readonly partial: boolean;
  /** Its bytes, one a character. */
  readonly text: string;
}

/** A line that is longer was written by no runtime. */
const LONGEST_LINE = 1024 * 1024;

/** Turns what a log file holds into what a reader of logs wants, over as many pieces as it comes in. Bytes stay what they are. */
export class LogLines {
  readonly #options: LogOptions;
  #rest = Buffer.alloc(0);
  #left: number;
  #atStart = true;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#left = options.limitBytes ?? Infinity;
  }

  /** The limit of bytes is reached. */
  get full(): boolean {
    return this.#left <= 0;
  }

  /** What the piece adds to the answer. */
  take(piece: Buffer): Buffer {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const end = bytes.lastIndexOf(0x0a);
    const rest = bytes.subarray(end + 1);
    this.#rest = Buffer.from(rest.length > LONGEST_LINE ? [] : rest);
    if (end < 0) return Buffer.alloc(0);
    const shown = bytes.subarray(0, end).toString('latin1').split('\n').map((line) => this.#shown(line)).join('');
    const limited = Buffer.from(shown, 'latin1').subarray(0, this.#left);
    this.#left -= limited.length;
    return limited;
  }

  #shown(line: string): string {
    const entry = entryOf(line);
    if (entry === undefined) return '';
    const { since, stream, timestamps } = this.#options;
    const prefix = timestamps && this.#atStart ? `${fullTime(entry.time)} ` : '';
    this.#atStart = !entry.partial;
    if (stream !== 'All' && stream.toLowerCase() !== entry.stream) return '';
    if (since !== undefined && nanosecondsOf(entry.time) < since) return '';
    return `${prefix}${entry.text}${entry.partial ? '' : '\n'}`;
  }
}

function entryOf(line: string): LogEntry | undefined {
  const match = /^(\d\S+) (stdout|stderr) ([^\s:]+)(?::\S*)? (.*)$/s.exec(line);
  return match === null ? undefined : { time: match[1] ?? '', stream: match[2] as LogEntry['stream'], partial: match[3] === 'P', text: match[4] ?? '' };
}

/**
 * The byte offset at which the last `count` lines of a text begin, which may begin within a line and end within one;
 * undefined when it has no more than those. A line that is cut in parts counts once.
 */
export function tailOffset(text: Buffer, count: number): number | undefined {
  const end = text.lastIndexOf(0x0a);
  for (let [line, lineEnd] = [0, end]; lineEnd >= 0;) {
    const before = lineEnd === 0 ? -1 : text.lastIndexOf(0x0a, lineEnd - 1);
    const isWhole = entryOf(text.subarray(before + 1, lineEnd).toString('latin1'))?.partial === false;
    if (isWhole) line += 1;
    if (line > count) return lineEnd + 1;
    lineEnd = before;
  }
  return undefined;
}
