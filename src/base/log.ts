import { pino, type Logger } from 'pino';

export type Log = Logger;

export interface LogOptions {
  readonly level?: string;
  /** Fields of every line, such as the component's name. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** A structured logger: one JSON object a line on standard error. */
export function createLog(options: LogOptions = {}): Log {
  return pino(
    { level: options.level ?? 'info', base: options.fields ?? {}, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}

export const silentLog: Log = pino({ level: 'silent' });
