import { nanosecondsOf } from './log-time.ts';

/** core/v1 PodLogOptions, as they come in a query. */
export interface LogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Nanoseconds since the epoch. */
  readonly since?: bigint;
  readonly stream: 'All' | 'Stdout' | 'Stderr';
}

/** Throws RangeError that names what is wrong. */
export function logOptionsOf(query: URLSearchParams, nowMs: number): LogOptions {
  const stream = query.get('stream') ?? 'All';
  if (stream !== 'All' && stream !== 'Stdout' && stream !== 'Stderr') throw new RangeError(`stream ${JSON.stringify(stream)} is none of All, Stdout, Stderr`);
  const tailLines = numberIn(query, 'tailLines', 0);
  if (stream !== 'All' && tailLines !== undefined) throw new RangeError('tailLines can only be given with all streams');
  const limitBytes = numberIn(query, 'limitBytes', 1);
  const since = sinceIn(query, nowMs);
  return {
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
    stream,
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
  };
}

/** As the API server decodes booleans of a query: there without a value is true. */
function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== 'false' && value !== '0';
}

function sinceIn(query: URLSearchParams, nowMs: number): bigint | undefined {
  const seconds = numberIn(query, 'sinceSeconds', 1);
  const time = query.get('sinceTime') ?? '';
  if (time === '') return seconds === undefined ? undefined : BigInt(Math.floor(nowMs - seconds * 1000)) * 1_000_000n;
  if (seconds !== undefined) throw new RangeError('at most one of sinceTime and sinceSeconds can be given');
  if (Number.isNaN(Date.parse(time))) throw new RangeError(`sinceTime ${JSON.stringify(time)} is no time`);
  return nanosecondsOf(time);
}

function numberIn(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`${name} ${JSON.stringify(text)} must be a whole number of at least ${least}`);
  return value;
}
