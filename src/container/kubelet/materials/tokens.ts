import type { PodManifest } from '../pod.ts';
import type { KubeletContext } from '../port.ts';

/** What one file of a projected volume asks for. */
export interface TokenWish {
  readonly path: string;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
}

interface Held {
  readonly token: string;
  readonly renewAt: number;
}

const LONGEST_MS = 24 * 3600_000;
const SPENT = 0.8;

/** Tokens of service accounts, each asked for anew when 80 % of its life, or a day, is over. */
export class Tokens {
  readonly #context: KubeletContext;
  /** By pod, volume and path. */
  readonly #held = new Map<string, Map<string, Held>>();

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  async get(pod: PodManifest, volume: string, wish: TokenWish, signal: AbortSignal): Promise<string> {
    const { references, clock } = this.#context;
    const { uid = '', name, namespace = 'default' } = pod.metadata;
    const ofPod = this.#held.get(uid) ?? new Map<string, Held>();
    this.#held.set(uid, ofPod);
    const key = `${volume}/${wish.path}`;
    const held = ofPod.get(key);
    if (held !== undefined && clock.now() < held.renewAt) return held.token;
    const asked = clock.now();
    const { audiences, expirationSeconds } = wish;
    const { token, expiresAtMs } = await references.serviceAccountToken({ namespace, serviceAccount: pod.spec.serviceAccountName ?? 'default', audiences, expirationSeconds, pod: { name, uid } }, signal);
    ofPod.set(key, { token, renewAt: asked + Math.min((expiresAtMs - asked) * SPENT, LONGEST_MS) });
    return token;
  }

  forget(podUid: string): void {
    this.#held.delete(podUid);
  }
}
