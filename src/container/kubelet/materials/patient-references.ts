import type { Clock } from '../../../base/clock.ts';
import { ApiError } from '../../../kube/api-error.ts';
import type { ConfigMapData, PodReferences, SecretData, ServiceSummary, TokenRequest } from '../port.ts';

const SOON_MS = 500;
const TRIES = 6;

/**
 * References that are asked for again when the API server does not let the node have them: its authorizer and its
 * admission hear of a pod that is bound to the node a moment later than the node does.
 */
export class PatientReferences implements PodReferences {
  readonly #references: PodReferences;
  readonly #clock: Clock;

  constructor(references: PodReferences, clock: Clock) {
    this.#references = references;
    this.#clock = clock;
  }

  configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMapData | undefined> {
    return this.#again(() => this.#references.configMap(namespace, name, signal), signal);
  }

  secret(namespace: string, name: string, signal?: AbortSignal): Promise<SecretData | undefined> {
    return this.#again(() => this.#references.secret(namespace, name, signal), signal);
  }

  serviceAccountToken(request: TokenRequest, signal?: AbortSignal): ReturnType<PodReferences['serviceAccountToken']> {
    return this.#again(() => this.#references.serviceAccountToken(request, signal), signal);
  }

  services(namespace: string): readonly ServiceSummary[] {
    return this.#references.services(namespace);
  }

  async #again<T>(ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask();
      } catch (error) {
        if (tries === TRIES || !isTooEarly(error)) throw error;
        await this.#clock.sleep(SOON_MS, signal);
      }
    }
  }
}

/** Forbidden, or for tokens: no such pod. */
function isTooEarly(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 403 || error.status === 404);
}
