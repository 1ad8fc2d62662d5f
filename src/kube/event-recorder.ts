import { createHash } from 'node:crypto';
import { systemClock, type Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isNotFound } from './api-error.ts';
import type { KubeClient } from './client.ts';
import { microTimestamp } from './conditions.ts';
import { events, type Event } from './core.ts';
import type { KubeObject } from './object.ts';

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** Such as `yadokari.dev/operator`. */
  readonly controller: string;
  /** Who of several; usually the host's name. */
  readonly instance: string;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Something worth telling about an object, in one line that a person can act on. */
export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** UpperCamelCase. */
  readonly reason: string;
  readonly message: string;
  /** What was done, UpperCamelCase. Default: the reason. */
  readonly action?: string;
  /** Part of the object that it is about, such as `spec.containers{web}`. */
  readonly fieldPath?: string;
}

interface Series {
  readonly name: string;
  readonly count: number;
  readonly at: number;
}

const SERIES_MS = 6 * 60_000;
const MOST_SERIES = 1000;
/** An API server that does not answer is no reason to keep everything that happens meanwhile. */
const MOST_WAITING = 1000;

/**
 * Writes events.k8s.io/v1 events. The same note about the same object within six minutes becomes a series with
 * a count. Never throws and never makes its caller wait: a lost event is logged, not retried, and so is one
 * that comes while a thousand wait.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #series = new Map<string, Series>();
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  record(regarding: KubeObject, note: EventNote): void {
    const lost = (error: unknown): void => this.#options.log.debug({ reason: note.reason, error: messageOf(error) }, 'event was not written');
    if (this.#waiting >= MOST_WAITING) return lost(new Error(`${this.#waiting} events wait already`));
    this.#waiting += 1;
    this.#tail = this.#tail.then(() => this.#write(regarding, note)).catch(lost).finally(() => void (this.#waiting -= 1));
  }

  /** Resolves when all that was recorded so far is written. */
  flush(): Promise<void> {
    return this.#tail;
  }

  async #write(regarding: KubeObject, note: EventNote): Promise<void> {
    const now = this.#clock.now();
    const id = createHash('sha1').update(JSON.stringify([regarding.metadata.uid, note])).digest('hex').slice(0, 16);
    const known = this.#series.get(id);
    if (known !== undefined && now - known.at < SERIES_MS && await this.#extend(regarding, known, now)) {
      this.#remember(id, { ...known, count: known.count + 1, at: now });
      return;
    }
    const name = `${regarding.metadata.name.slice(0, 200)}.${id}${now.toString(16)}`;
    await this.#options.client.create(events, this.#event(regarding, note, name, now));
    this.#remember(id, { name, count: 1, at: now });
  }

  async #extend(regarding: KubeObject, series: Series, now: number): Promise<boolean> {
    const patch = { series: { count: series.count + 1, lastObservedTime: microTimestamp(now) } };
    try {
      await this.#options.client.patch(events, { namespace: namespaceOf(regarding), name: series.name }, patch);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #event(regarding: KubeObject, note: EventNote, name: string, now: number): Event {
    const { apiVersion, kind, metadata } = regarding;
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: namespaceOf(regarding) },
      eventTime: microTimestamp(now),
      type: note.type,
      reason: note.reason,
      action: note.action ?? note.reason,
      note: note.message.slice(0, 1024),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance,
      regarding: { apiVersion, kind, namespace: metadata.namespace, name: metadata.name, uid: metadata.uid, resourceVersion: metadata.resourceVersion, ...(note.fieldPath === undefined ? {} : { fieldPath: note.fieldPath }) },
    };
  }

  #remember(id: string, series: Series): void {
    this.#series.delete(id);
    this.#series.set(id, series);
    const oldest = this.#series.keys().next();
    if (this.#series.size > MOST_SERIES && oldest.done === false) this.#series.delete(oldest.value);
  }
}

function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? 'default';
}
