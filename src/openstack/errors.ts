import { YadoError, type Disposition } from '../base/errors.ts';
import type { ServiceName } from './service-name.ts';

export type OpenStackErrorCode =
  /** 401, and 404 where an application credential is not known. */
  | 'AuthenticationFailed'
  | 'Forbidden' | 'QuotaExceeded' | 'NotFound' | 'Conflict' | 'InvalidRequest'
  /** 412: somebody else has changed the object since it was read. */
  | 'RevisionConflict'
  /** 406, or a feature that the service is too old for. */
  | 'MicroversionUnsupported'
  | 'TooManyRequests' | 'ServiceFailed'
  /** The catalog has no such service; `EndpointMissing`: it has, but not in this region and interface. */
  | 'ServiceMissing' | 'EndpointMissing'
  | 'Unreachable' | 'TimedOut' | 'CertificateRefused'
  /** The answer is not what the API promises: cut off, no JSON, a field missing. */
  | 'InvalidAnswer';

export interface OpenStackErrorOptions {
  readonly service: ServiceName;
  /** Empty where it was no call. */
  readonly method?: string;
  /** Without query, since a query may hold what is nobody's business. */
  readonly path?: string;
  readonly status?: number;
  /** What the service calls it, such as `NetworkInUse`. */
  readonly reason?: string;
  /** By which operators of the cloud find the call in their logs. */
  readonly requestId?: string;
  /** How long the service asks to be left alone. */
  readonly retryAfterMs?: number;
  readonly disposition?: Disposition;
  readonly cause?: unknown;
}

const DISPOSITIONS: Readonly<Record<OpenStackErrorCode, Disposition>> = {
  AuthenticationFailed: 'stalled', Forbidden: 'stalled', QuotaExceeded: 'stalled', NotFound: 'stalled', InvalidRequest: 'stalled',
  ServiceMissing: 'stalled', EndpointMissing: 'stalled', CertificateRefused: 'stalled', MicroversionUnsupported: 'stalled',
  Conflict: 'retry', RevisionConflict: 'retry', TooManyRequests: 'retry', ServiceFailed: 'retry',
  Unreachable: 'retry', TimedOut: 'retry', InvalidAnswer: 'retry',
};

/** Everything that goes wrong with a cloud. Its message names service and call, and never shows a secret. */
export class OpenStackError extends YadoError {
  declare readonly code: OpenStackErrorCode;
  readonly service: ServiceName;
  readonly method: string;
  readonly path: string;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: OpenStackErrorCode, message: string, options: OpenStackErrorOptions) {
    super(code, message, { disposition: options.disposition ?? DISPOSITIONS[code], cause: options.cause });
    this.service = options.service;
    this.method = options.method ?? '';
    this.path = options.path ?? '';
    this.status = options.status;
    this.reason = options.reason;
    this.requestId = options.requestId;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export function hasCode(error: unknown, ...codes: readonly OpenStackErrorCode[]): error is OpenStackError {
  return error instanceof OpenStackError && codes.includes(error.code);
}

const CELL_DOWN = 'CellDown';

/** A part of a cloud does not answer, and the rest knows of the server no more than that it is there. */
export function cellDown(serverId: string): OpenStackError {
  return new OpenStackError('ServiceFailed', `compute: the cell of server ${serverId} does not answer`, { service: 'compute', reason: CELL_DOWN });
}

export function isCellDown(error: unknown): boolean {
  return error instanceof OpenStackError && error.reason === CELL_DOWN;
}

/** For `catch`: gives this where the object is not there. */
export function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (!hasCode(error, 'NotFound')) throw error;
    return value;
  };
}
