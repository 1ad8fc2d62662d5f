import type { PodManifest } from './pod.ts';
import { isSidecar } from './restart.ts';

/** Sidecars end after the main containers, and in the reverse order of their start. */
export class TerminationOrder {
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();
  readonly #waitsFor = new Map<string, readonly string[]>();

  /** `running`: names of the containers that are to end. */
  constructor({ spec }: PodManifest, running: readonly string[]) {
    const mains = spec.containers.map(({ name }) => name);
    for (const name of running) this.#ends.set(name, Promise.withResolvers());
    const sidecars = (spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
    for (const [index, name] of sidecars.entries()) this.#waitsFor.set(name, [...mains, ...sidecars.slice(index + 1, index + 2)]);
  }

  /** Resolves when those that end before it have ended. */
  async turnOf(name: string): Promise<void> {
    for (const other of this.#waitsFor.get(name) ?? []) await this.#ends.get(other)?.promise;
  }

  ended(name: string): void {
    this.#ends.get(name)?.resolve();
  }
}
