/** Does a thing every so often and when it is asked to, one at a time. Once disposed of, it is in the middle of none and begins none. */
export class Chores implements AsyncDisposable {
  readonly #work: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #last: Promise<void> = Promise.resolve();
  #ended = false;

  /** What the work throws is dropped: the next time may do better. */
  constructor(work: () => Promise<void>, everyMs: number) {
    this.#work = work;
    this.#timer = setInterval(() => void this.now(), everyMs);
  }

  async now(): Promise<void> {
    this.#last = this.#last.then(() => (this.#ended ? undefined : this.#work())).catch(() => {});
    await this.#last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    await this.#last;
  }
}
