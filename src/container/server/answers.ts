import type { Clock } from '../../base/clock.ts';

/** Answers that are good for a while. When there are too many the oldest goes. */
export class Answers<T> {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #known = new Map<string, { readonly answer: T; readonly until: number }>();

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** The known answer to a question, or the one that `ask` gives; `goodMs` says for how long it is kept. */
  async get(question: string, ask: () => Promise<T>, goodMs: (answer: T) => number): Promise<T> {
    const known = this.#known.get(question);
    if (known !== undefined && this.#clock.now() < known.until) return known.answer;
    const answer = await ask();
    this.#known.delete(question);
    this.#known.set(question, { answer, until: this.#clock.now() + goodMs(answer) });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#most) break;
      this.#known.delete(oldest);
    }
    return answer;
  }
}
