import { YadoError, type Disposition } from '../base/errors.ts';

/** metav1.Status of a refused call. */
interface Status {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number };
}

/** The API server answered with an error; `reason` is that of metav1.Status (`NotFound`, `Conflict`, `AlreadyExists`, …). */
export class ApiError extends YadoError {
  readonly status: number;
  readonly reason: string;
  /** From Retry-After, in milliseconds, where the server asks for patience. */
  readonly retryAfterMs: number | undefined;

  constructor(call: string, status: number, body: string, retryAfterSeconds?: number) {
    const parsed = parseStatus(body);
    const reason = parsed.reason ?? reasonOf(status);
    super(`Api${reason}`, `${call}: ${parsed.message ?? (body.slice(0, 300) || `HTTP ${status}`)}`, { disposition: dispositionFor(status) });
    this.status = status;
    this.reason = reason;
    const seconds = parsed.details?.retryAfterSeconds ?? retryAfterSeconds;
    this.retryAfterMs = seconds === undefined || Number.isNaN(seconds) ? undefined : seconds * 1000;
  }
}

/** The API server could not be reached, or the connection broke. */
export class ApiUnavailableError extends YadoError {
  constructor(call: string, cause: unknown) {
    super('ApiUnavailable', `${call}: the API server does not answer`, { cause });
  }
}

export const isUnauthorized = (error: unknown): boolean => error instanceof ApiError && error.status === 401;
export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.status === 404;
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.status === 409 && error.reason === 'Conflict';
export const isAlreadyExists = (error: unknown): boolean => error instanceof ApiError && error.reason === 'AlreadyExists';
export const isGone = (error: unknown): boolean => error instanceof ApiError && (error.status === 410 || error.reason === 'Expired');
/** The request itself is wrong or not allowed: repeating it as it is cannot help. */
export const isRefused = (error: unknown): boolean => error instanceof ApiError && [400, 403, 405, 413, 415, 422].includes(error.status);

/** For `catch`: undefined instead of what is not there. */
export function missing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

function parseStatus(body: string): Status {
  try {
    return JSON.parse(body) as Status;
  } catch {
    return {};
  }
}

function reasonOf(status: number): string {
  const known: Readonly<Record<number, string>> = { 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound', 409: 'Conflict', 410: 'Gone', 422: 'Invalid', 429: 'TooManyRequests' };
  return known[status] ?? `Status${status}`;
}

function dispositionFor(status: number): Disposition {
  return status === 400 || status === 403 || status === 422 ? 'stalled' : 'retry';
}
