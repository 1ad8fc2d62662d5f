import { status } from '@grpc/grpc-js';
import { CsiError } from './status.ts';

/** One call at a time for each volume or snapshot: who comes meanwhile is told to come again, as CSI has it. */
export class Turns {
  readonly #busy = new Set<string>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(key)) throw new CsiError(status.ABORTED, `another call for ${key} is under way`);
    this.#busy.add(key);
    try {
      return await work();
    } finally {
      this.#busy.delete(key);
    }
  }
}
