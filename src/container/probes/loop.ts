import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { ProbeResult, ProbeTarget } from './target.ts';

/** As core/v1 has it, with its defaults filled in. */
export interface ProbeTiming {
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

export interface ProbeLoopOptions {
  readonly timing: ProbeTiming;
  /** When what is probed was started, in milliseconds since the epoch; the initial delay counts from it. */
  readonly startedAtMs: number;
  /** What holds before the first threshold is reached: true for liveness, false for readiness; undefined when nothing does, so that either is told. */
  readonly initially: boolean | undefined;
  /** Makes one try. What it throws says nothing of the target and counts neither way. */
  readonly probe: (target: Pick<ProbeTarget, 'timeoutMs' | 'signal'>) => Promise<ProbeResult>;
  /** Told of every try that counts; `inRow` is how many in a row, this one included, ended the same way. */
  readonly onTry?: (result: ProbeResult, inRow: number) => void;
  /** Told when a threshold is reached and what holds is another thing than before. */
  readonly onChange: (result: ProbeResult) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Timers take no more. */
const LONGEST_MS = 2 ** 31 - 1;

/** Probes at once, or after what is left of the initial delay, and then each period, one try at a time, until it is disposed of. */
export class ProbeLoop implements Disposable {
  readonly #options: ProbeLoopOptions;
  readonly #stop = new AbortController();
  #holds: boolean | undefined;
  #last: boolean | undefined;
  #inRow = 0;

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
    this.#holds = options.initially;
    void this.#run();
  }

  /** Nothing is told any more, not even of a try that is under way. */
  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the probe was ended'));
  }

  async #run(): Promise<void> {
    const { clock, startedAtMs, timing: { initialDelaySeconds, periodSeconds } } = this.#options;
    const { signal } = this.#stop;
    // The clock of a guest may be ahead of ours, by any amount.
    let due = Math.min(startedAtMs, clock.now()) + initialDelaySeconds * 1000;
    while (!signal.aborted) {
      await clock.sleep(Math.min(Math.max(due - clock.now(), 0), LONGEST_MS), signal).catch(() => {});
      if (signal.aborted || clock.now() < due) continue;
      due = clock.now() + periodSeconds * 1000;
      await this.#try();
    }
  }

  async #try(): Promise<void> {
    const { probe, timing, onTry, onChange, log } = this.#options;
    const { signal } = this.#stop;
    const result = await probe({ timeoutMs: Math.min(timing.timeoutSeconds * 1000, LONGEST_MS), signal }).catch((error: unknown) => {
      if (!signal.aborted) log.debug({ error: messageOf(error) }, 'a probe told nothing');
    });
    if (result === undefined || signal.aborted) return;
    this.#inRow = result.ok === this.#last ? this.#inRow + 1 : 1;
    this.#last = result.ok;
    onTry?.(result, this.#inRow);
    if (this.#holds === result.ok || this.#inRow < (result.ok ? timing.successThreshold : timing.failureThreshold)) return;
    this.#holds = result.ok;
    onChange(result);
  }
}
