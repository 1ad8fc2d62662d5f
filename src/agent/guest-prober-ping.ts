import type { Clock } from '../base/clock.ts';
import type { ProbeResult, ProbeTarget } from '../container/probes/target.ts';
import { GuestError, type Hypervisor } from '../vm/port.ts';

interface Call {
  /** Resolves when the hypervisor is asked. */
  readonly sent: Promise<void>;
  readonly answer: Promise<ProbeResult>;
}

/** Hypervisors carry out few commands of guest agents at a time; some are left to others. */
const AT_ONCE = 3;

/**
 * Asks guest agents whether they are there. A hung agent holds the hypervisor up for seconds, so a guest is given its
 * time only from when its own question is on its way: that others are silent must not be held against it.
 */
export class GuestPing {
  readonly #hypervisor: Hypervisor;
  readonly #clock: Clock;
  readonly #calls = new Map<string, Call>();
  readonly #waiting: (() => void)[] = [];
  #free = AT_ONCE;

  constructor(hypervisor: Hypervisor, clock: Clock) {
    this.#hypervisor = hypervisor;
    this.#clock = clock;
  }

  /** Rejects when nothing was learned of the agent, as while the hypervisor does not answer. */
  async ping(id: string, { timeoutMs, signal }: Pick<ProbeTarget, 'timeoutMs' | 'signal'>): Promise<ProbeResult> {
    signal.throwIfAborted();
    // One that was given up on may still be answered; another one would only wait behind it.
    const { sent, answer } = this.#calls.get(id) ?? this.#call(id);
    const { promise, resolve, reject } = Promise.withResolvers<ProbeResult>();
    const onAbort = (): void => reject(signal.reason as Error);
    let cancelTimeout: (() => void) | undefined;
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject);
    try {
      await Promise.race([sent, promise]);
      cancelTimeout = this.#clock.after(timeoutMs, () => resolve({ ok: false, message: `the guest agent has not answered guest-ping within ${timeoutMs / 1000}s` }));
      return await promise;
    } finally {
      cancelTimeout?.();
      signal.removeEventListener('abort', onAbort);
    }
  }

  #call(id: string): Call {
    const sent = this.#turn();
    const answer = sent.then(() => this.#ask(id)).finally(() => {
      this.#calls.delete(id);
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    });
    answer.catch(() => {});
    const call = { sent, answer };
    this.#calls.set(id, call);
    return call;
  }

  #turn(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  async #ask(id: string): Promise<ProbeResult> {
    try {
      await this.#hypervisor.agentCommand(id, 'guest-ping');
      return { ok: true, message: 'the guest agent answers' };
    } catch (error) {
      if (error instanceof GuestError && error.code === 'AgentNotConnected') return { ok: false, message: 'the guest agent does not answer guest-ping' };
      throw error;
    }
  }
}
