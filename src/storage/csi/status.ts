import { status } from '@grpc/grpc-js';
import { messageOf } from '../../base/errors.ts';
import { StorageError, type StorageErrorCode } from '../port.ts';

const CODES: Readonly<Record<StorageErrorCode, status>> = {
  VolumeNotFound: status.NOT_FOUND,
  SnapshotNotFound: status.NOT_FOUND,
  NameTaken: status.ALREADY_EXISTS,
  VolumeInUse: status.FAILED_PRECONDITION,
  InvalidRequest: status.INVALID_ARGUMENT,
  Unsupported: status.INVALID_ARGUMENT,
  NoSpace: status.RESOURCE_EXHAUSTED,
  BackendUnreachable: status.UNAVAILABLE,
  NotAttached: status.FAILED_PRECONDITION,
  Failed: status.INTERNAL,
};

/** A call that is answered with a code of its own. https://github.com/container-storage-interface/spec/blob/master/spec.md#error-scheme */
export class CsiError extends Error {
  readonly code: status;
  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

export function invalid(message: string): CsiError {
  return new CsiError(status.INVALID_ARGUMENT, message);
}

/** What a caller is told of anything thrown. */
export function statusOf(error: unknown): { readonly code: status; readonly details: string } {
  if (error instanceof CsiError) return { code: error.code, details: error.message };
  return { code: error instanceof StorageError ? CODES[error.code] : status.INTERNAL, details: messageOf(error) };
}
