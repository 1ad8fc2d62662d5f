import { StorageError, type StorageErrorCode } from '../../port.ts';

/** Numbers of errors that Ceph answers with: https://man7.org/linux/man-pages/man3/errno.3.html */
export const ERRNO = { EPERM: 1, ENOENT: 2, EAGAIN: 11, EACCES: 13, EBUSY: 16, EEXIST: 17, EINVAL: 22, ENOSPC: 28, ENOTEMPTY: 39, EOPNOTSUPP: 95, ESHUTDOWN: 108, ETIMEDOUT: 110, EDQUOT: 122 } as const;

const CODES: Readonly<Record<number, StorageErrorCode>> = {
  [ERRNO.ETIMEDOUT]: 'BackendUnreachable', [ERRNO.ESHUTDOWN]: 'BackendUnreachable',
  [ERRNO.ENOSPC]: 'NoSpace', [ERRNO.EDQUOT]: 'NoSpace',
};

/** What Ceph itself said no with. */
export class CephError extends StorageError {
  /** 0 when there was none. */
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(CODES[errno] ?? 'Failed', message);
    this.errno = errno;
  }
}

export function isErrno(error: unknown, ...names: readonly (keyof typeof ERRNO)[]): boolean {
  return error instanceof CephError && names.some((name) => ERRNO[name] === error.errno);
}

/** For `catch`: gives this instead of an error with one of these numbers. */
export function instead<T>(value: T, ...names: readonly (keyof typeof ERRNO)[]): (error: unknown) => T {
  return (error) => {
    if (!isErrno(error, ...names)) throw error;
    return value;
  };
}
