import { backoffMs } from '../../base/backoff.ts';
import { messageOf } from '../../base/errors.ts';
import { isUnauthorized } from '../../kube/api-error.ts';
import { nodeSubject } from './node-identity.ts';
import { liveAsNode } from './node-life.ts';
import type { VirtualGuest, VirtualNodeOptions } from './options.ts';

const RETRY = { baseMs: 200, capMs: 5000, jitter: 0.2 };

/** Plays the node that a guest is, with an identity of the node's own. Ends with its signal; the containers go on. */
export class VirtualNode {
  readonly #options: VirtualNodeOptions;
  readonly #guest: VirtualGuest;

  constructor(options: VirtualNodeOptions, guest: VirtualGuest) {
    this.#options = options;
    this.#guest = guest;
  }

  /** Works until the signal aborts; whatever fails is begun anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#withIdentity(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (isUnauthorized(error)) await this.#guest.certificates.forget();
        log[failures < 2 ? 'debug' : 'warn']({ node: this.#guest.host.node, error: messageOf(error) }, 'the virtual node is begun anew');
        await clock.sleep(backoffMs(failures, RETRY), signal).catch(() => {});
      }
    }
  }

  /** Lives with one identity until that is to be renewed. */
  async #withIdentity(signal: AbortSignal): Promise<void> {
    const { client, clientAs, clock } = this.#options;
    const { host: { node }, certificates } = this.#guest;
    const identity = await certificates.get('client', client, nodeSubject(node), signal);
    const own = clientAs(identity.certificate, identity.key);
    const outdated = AbortSignal.timeout(identity.renewAt - clock.now());
    const living = AbortSignal.any([signal, outdated]);
    try {
      // A guest that rebooted is another node in all but its name.
      while (!living.aborted) await liveAsNode(this.#options, this.#guest, own, living);
    } catch (error) {
      if (!outdated.aborted) throw error;
    } finally {
      own.close();
    }
  }
}
