import type { ObservedPod } from './observation.ts';
import { relativeTo } from './pod-paths.ts';
import type { KubeletContext } from './port.ts';

const MOST_BYTES = 10 * 1024 * 1024;
/** The one that is being written among them. */
const MOST_FILES = 5;
const SOONEST_MS = 10_000;
const LATEST_MS = 60_000;

interface Seen {
  readonly sizeBytes: number;
  readonly atMs: number;
  readonly dueMs: number;
}

/** Keeps the logs of containers that run from growing: at most 5 files of about 10 MiB each. */
export class LogRotation {
  readonly #context: KubeletContext;
  readonly #seen = new Map<string, Seen>();

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  /** Looks at the logs of one pod that may have grown by much since they were last looked at. */
  async sweep(observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { files, clock } = this.#context;
    for (const { id, state, logPath } of observed.containers) {
      const path = relativeTo(files.root, logPath);
      const before = this.#seen.get(id);
      if (state !== 'RUNNING' || path === undefined) this.#seen.delete(id);
      else if ((before?.dueMs ?? 0) <= clock.now()) {
        const sizeBytes = (await files.stat(path, signal))?.sizeBytes ?? 0;
        if (sizeBytes > MOST_BYTES) await this.#rotate(path, id, signal);
        this.#seen.set(id, this.#next(before, sizeBytes > MOST_BYTES ? 0 : sizeBytes));
      }
    }
  }

  /** Forgets containers that are gone. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
  }

  /** The faster it grows, the sooner it is looked at. */
  #next(before: Seen | undefined, sizeBytes: number): Seen {
    const atMs = this.#context.clock.now();
    const perMs = before === undefined ? Infinity : Math.max(sizeBytes - before.sizeBytes, 0) / Math.max(atMs - before.atMs, 1);
    const fullMs = (MOST_BYTES - sizeBytes) / Math.max(perMs, 1e-9);
    return { sizeBytes, atMs, dueMs: atMs + Math.min(Math.max(fullMs / 2, SOONEST_MS), LATEST_MS) };
  }

  async #rotate(path: string, id: string, signal: AbortSignal): Promise<void> {
    const { files, cri, clock } = this.#context;
    const [folder, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
    const old = (await files.list(folder, signal)).filter((file) => file.startsWith(`${name}.`)).toSorted();
    for (const file of old.slice(0, Math.max(old.length - (MOST_FILES - 2), 0))) await files.remove(`${folder}/${file}`, signal);
    const stamp = new Date(clock.now()).toISOString().replaceAll(/[-:]/g, '').replace('T', '-').replace(/\..*/, '');
    await files.rename(path, `${path}.${stamp}`, signal);
    await cri.reopenLog(id, signal);
  }
}
