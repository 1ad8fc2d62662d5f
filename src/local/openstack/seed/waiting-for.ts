import { setTimeout as delay } from 'node:timers/promises';
import { LocalError } from '../../errors.ts';

const PROBE_MS = 200;
const PATIENCE_MS = 900_000;

/** The first answer that is not undefined. Throws LocalError `SeedTimeout`, or what the probe throws. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined>, signal?: AbortSignal): Promise<T> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(PROBE_MS, undefined, signal === undefined ? {} : { signal })) {
    const answer = await probe();
    if (answer !== undefined) return answer;
  }
  throw new LocalError('SeedTimeout', `OpenStack has not come to this within ${PATIENCE_MS / 1000} s: ${what}.`, { disposition: 'retry' });
}
