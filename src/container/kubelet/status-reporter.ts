import { isDeepStrictEqual } from 'node:util';
import { backoffMs } from '../../base/backoff.ts';
import { messageOf } from '../../base/errors.ts';
import type { PodManifest, PodStatusReport } from './pod.ts';
import type { KubeletContext } from './port.ts';

/** What was written is seen in the API by then. */
const SETTLED_MS = 5000;
const RETRY = { baseMs: 500, capMs: 30_000, jitter: 0.2 };

/** Writes one pod's status: the newest alone, one write at a time, and only when it differs from what was written. */
export class StatusReporter {
  readonly #context: KubeletContext;
  readonly #signal: AbortSignal;
  #said: PodStatusReport | undefined;
  #pending: { readonly pod: PodManifest; readonly status: PodStatusReport } | undefined;
  #writing: Promise<void> | undefined;
  #overwrittenAtMs: number | undefined;

  /** `before`: what the API has. */
  constructor(context: KubeletContext, before: PodStatusReport | undefined, signal: AbortSignal) {
    this.#context = context;
    this.#said = before;
    this.#signal = signal;
  }

  /** What was said last, perhaps not yet written. */
  get last(): PodStatusReport {
    return this.#pending?.status ?? this.#said ?? {};
  }

  report(pod: PodManifest, status: PodStatusReport): void {
    if (isSame(this.last, status)) return;
    this.#pending = { pod, status };
    this.#writing ??= this.#write().finally(() => void (this.#writing = undefined));
  }

  /** Milliseconds after which what somebody else has written over is to be said again; said again when they are over. */
  repeatIfOverwritten(pod: PodManifest): number | undefined {
    const now = this.#context.clock.now();
    if (this.#isWritten(pod)) this.#overwrittenAtMs = undefined;
    else this.#overwrittenAtMs ??= now;
    if (this.#overwrittenAtMs === undefined) return undefined;
    const leftMs = this.#overwrittenAtMs + SETTLED_MS - now;
    if (leftMs > 0) return leftMs;
    this.#overwrittenAtMs = undefined;
    const { last } = this;
    this.#said = undefined;
    this.report(pod, last);
    return undefined;
  }

  /** Resolves when all that was said is written; rejects with the signal. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#signal.throwIfAborted();
  }

  #isWritten({ status = {} }: PodManifest): boolean {
    return this.#said === undefined || this.#pending !== undefined || isDeepStrictEqual(kernelOf(status), kernelOf(this.#said));
  }

  async #write(): Promise<void> {
    const { statuses, clock, log } = this.#context;
    for (let failures = 0; this.#pending !== undefined && !this.#signal.aborted;) {
      const { pod, status } = this.#pending;
      try {
        await statuses.write(pod, status, this.#signal);
        failures = 0;
        this.#said = status;
        if (this.#pending?.status === status) this.#pending = undefined;
      } catch (error) {
        failures += 1;
        log.debug({ pod: pod.metadata.name, error: messageOf(error) }, 'the status could not be written');
        await clock.sleep(backoffMs(failures, RETRY), this.#signal).catch(() => {});
      }
    }
  }
}

/** What every API server keeps of a status, and what others may write over. */
function kernelOf({ phase, conditions = [], containerStatuses = [] }: PodStatusReport): unknown {
  const ours = conditions.filter(({ type }) => OURS_OF_CONDITIONS.has(type)).map(({ type, status }) => `${type}=${status}`);
  return { phase, conditions: ours.toSorted(), containers: containerStatuses.map(({ name, ready, containerID = '', restartCount }) => ({ name, ready, containerID, restartCount })) };
}

/** Whether the status, as far as it is ours, says the same. */
function isSame(one: PodStatusReport, other: PodStatusReport): boolean {
  return isDeepStrictEqual(essence(one), essence(other));
}

const OURS = ['phase', 'reason', 'message', 'hostIP', 'podIP', 'startTime', 'qosClass', 'observedGeneration', 'initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'] as const;
const OURS_OF_CONDITIONS = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']);

function essence(status: PodStatusReport): unknown {
  const conditions = (status.conditions ?? []).filter(({ type }) => OURS_OF_CONDITIONS.has(type)).map(({ type, status, reason, message, observedGeneration }) => ({ type, status, reason, message, observedGeneration }));
  return withoutEmpty({ ...Object.fromEntries(OURS.map((name) => [name, status[name]])), conditions: conditions.toSorted((one, other) => (one.type < other.type ? -1 : 1)) });
}

/** Without what the API leaves out or writes as null. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, part]) => [key, withoutEmpty(part)] as const);
  return Object.fromEntries(entries.filter(([, part]) => part !== undefined && part !== null && part !== '' && !(typeof part === 'object' && part !== null && !Array.isArray(part) && Object.keys(part).length === 0)));
}
