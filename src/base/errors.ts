/**
 * What a caller can do about an error.
 * - `retry`: the same call may succeed later by itself (the network, a busy daemon); back off and repeat.
 * - `wait`: something expected has not happened yet; repeat soon, it is no failure.
 * - `stalled`: repeating is useless until a person changes something; say so in a condition.
 * - `terminal`: this object can never succeed as it is.
 */
export type Disposition = 'retry' | 'wait' | 'stalled' | 'terminal';

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly disposition?: Disposition;
}

/**
 * The base of every error of the product. `code` is stable and in UpperCamelCase, since it
 * ends up as the reason of conditions and events; `message` says what to do.
 */
export class YadoError extends Error {
  readonly code: string;
  readonly disposition: Disposition;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.disposition = options.disposition ?? 'retry';
  }
}

/** The disposition of anything thrown; what is not ours is worth a retry. */
export function dispositionOf(error: unknown): Disposition {
  return error instanceof YadoError ? error.disposition : 'retry';
}

/** One line for people: the message with those of its causes, without stacks. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message === '' ? error.name : error.message;
  return error.cause === undefined || own.includes(messageOf(error.cause)) ? own : `${own}: ${messageOf(error.cause)}`;
}

/** The code of an operating system error (`ENOENT`, `ECONNREFUSED`, …), if it is one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
