/** What Cinder says of a volume or snapshot while it is at it. */
interface Made {
  readonly status: string;
  readonly sizeGiB: number;
  readonly createdAtMs: number;
  readonly updatedAtMs?: number;
}

const BASE_MS = 10 * 60_000;
const PER_GIB_MS = 30_000;

/**
 * A Cinder that is killed after it has taken a request and before it has begun never comes back to it: what it was about
 * to make stays as it is, and only an administrator can change that. It shows by nothing but time. Backends that go
 * through a file on the way may need 20 s a GiB; each copy that was given up doubles the patience with the next, so that
 * a slow cloud comes to its end too.
 */
export function isForgotten({ status, sizeGiB, createdAtMs, updatedAtMs = createdAtMs }: Made, nowMs: number, givenUp = 0): boolean {
  return (status === 'creating' || status === 'uploading') && nowMs - updatedAtMs > (BASE_MS + sizeGiB * PER_GIB_MS) * 2 ** givenUp;
}
