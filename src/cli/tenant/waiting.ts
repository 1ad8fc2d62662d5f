import { systemClock } from '../../base/clock.ts';
import { YadoError } from '../../base/errors.ts';
import type { Progress } from '../../base/progress.ts';
import type { KubeClient } from '../../kube/client.ts';

/** For an object of the cluster that comes to be as it is meant to be. */
export interface Wait {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  readonly patienceMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What was waited for; or what is said meanwhile, and what of it is shown where that differs. */
export type Seen<T> = { readonly found: T } | { readonly said: string; readonly shown?: string };

const LOOK_MS = 250;

/** Looks until something is found, and shows what is said until then. Throws a YadoError of this code, which begins with `late` and ends with what was said last. */
export async function lookUntilFound<T>(title: string, { patienceMs, progress, signal }: Wait, code: string, late: string, look: () => Promise<Seen<T>>): Promise<T> {
  return progress.step(title, async (step) => {
    for (const giveUpAt = systemClock.now() + patienceMs; ;) {
      const seen = await look();
      if ('found' in seen) return seen.found;
      if (systemClock.now() > giveUpAt) throw new YadoError(code, `${late} after ${patienceMs / 1000} s: ${seen.said}`, { disposition: 'stalled' });
      step.update(seen.shown ?? seen.said);
      await systemClock.sleep(LOOK_MS, signal);
    }
  });
}
