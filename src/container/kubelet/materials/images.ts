import { backoffMs } from '../../../base/backoff.ts';
import { messageOf } from '../../../base/errors.ts';
import type { CriImage, SandboxConfig } from '../../cri.ts';
import type { ContainerSpec, PodManifest } from '../pod.ts';
import { KubeletError, type KubeletContext, type SecretData } from '../port.ts';
import { faultOf, imageNameOf } from './image-name.ts';
import { credentialsFor } from './registry-keys.ts';

/** What an event is about. */
interface About {
  readonly pod: PodManifest;
  readonly container?: string;
}

const BACKOFF = { baseMs: 10_000, capMs: 300_000, jitter: 0 };
/** A pull that has not failed for this long begins again with the shortest delay. */
const FORGET_MS = 600_000;
const PULLS_AT_ONCE = 3;

interface Failure {
  readonly count: number;
  readonly notBefore: number;
  readonly at: number;
  /** What the runtime said. */
  readonly message: string;
}

/** Images for containers: looked up, pulled by their policy, and pulled again later when that failed. */
export class Images {
  readonly #context: KubeletContext;
  /** By pod and image. */
  readonly #failures = new Map<string, Failure>();
  readonly #waiting: (() => void)[] = [];
  #pulling = 0;

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  async ensure(pod: PodManifest, container: ContainerSpec, sandbox: SandboxConfig, signal: AbortSignal): Promise<{ readonly reference: string; readonly image: CriImage }> {
    const { cri } = this.#context;
    const about = { pod, container: container.name };
    const name = imageNameOf(container.image);
    const quoted = JSON.stringify(container.image);
    if (name === undefined) throw this.#failed(about, 'InvalidImageName', 'InspectFailed', `Failed to apply default image tag ${quoted}: couldn't parse image name ${quoted}: ${faultOf(container.image)}`);
    const reference = name.tag === 'latest' && !container.image.endsWith(':latest') ? `${container.image}:latest` : container.image;
    const policy = container.imagePullPolicy ?? (name.tag === 'latest' ? 'Always' : 'IfNotPresent');
    const present = await cri.imageStatus(reference, signal);
    if (present !== undefined && policy !== 'Always') {
      this.#event(about, 'Normal', 'Pulled', `Container image ${quoted} already present on machine`);
      return { reference, image: present };
    }
    if (policy === 'Never') throw this.#failed(about, 'ErrImageNeverPull', 'ErrImageNeverPull', `Container image ${quoted} is not present with pull policy of Never`);
    const took = await this.#pull(about, container.image, reference, sandbox, signal);
    const pulled = await cri.imageStatus(reference, signal);
    if (pulled === undefined) throw new KubeletError('ErrImagePull', `image ${reference} was pulled and is gone again`);
    this.#event(about, 'Normal', 'Pulled', `Successfully pulled image ${quoted} in ${took}. Image size: ${pulled.sizeBytes} bytes.`);
    return { reference, image: pulled };
  }

  forget(podUid: string): void {
    for (const key of this.#failures.keys()) if (key.startsWith(`${podUid} `)) this.#failures.delete(key);
  }

  /** Returns how long it took, in the kubelet's words. */
  async #pull(about: About, image: string, reference: string, sandbox: SandboxConfig, signal: AbortSignal): Promise<string> {
    const { clock } = this.#context;
    const quoted = JSON.stringify(image);
    const key = `${about.pod.metadata.uid ?? ''} ${reference}`;
    const before = this.#failures.get(key);
    if (before !== undefined && clock.now() < before.notBefore) {
      const message = `Back-off pulling image ${quoted}`;
      this.#event(about, 'Normal', 'BackOff', message);
      throw new KubeletError('ImagePullBackOff', `${message}: ErrImagePull: ${before.message}`);
    }
    this.#event(about, 'Normal', 'Pulling', `Pulling image ${quoted}`);
    const begun = clock.now();
    await this.#slot(signal);
    const pulling = clock.now();
    try {
      await this.#pullWith(await this.#secretsOf(about.pod, signal), reference, sandbox, signal);
    } catch (error) {
      signal.throwIfAborted();
      const count = before === undefined || clock.now() - before.at > FORGET_MS ? 1 : before.count + 1;
      this.#failures.set(key, { count, at: clock.now(), notBefore: clock.now() + backoffMs(count, BACKOFF), message: messageOf(error) });
      this.#event(about, 'Warning', 'Failed', `Failed to pull image ${quoted}: ${messageOf(error)}`);
      this.#event(about, 'Warning', 'Failed', 'Error: ErrImagePull');
      throw new KubeletError('ErrImagePull', messageOf(error), { cause: error });
    } finally {
      this.#pulling -= 1;
      this.#waiting.shift()?.();
    }
    this.#failures.delete(key);
    const took = (from: number): string => `${((clock.now() - from) / 1000).toFixed(3)}s`;
    return `${took(pulling)} (${took(begun)} including waiting)`;
  }

  /** With each of the credentials that fit, or with none. */
  async #pullWith(secrets: readonly SecretData[], reference: string, sandbox: SandboxConfig, signal: AbortSignal): Promise<void> {
    const credentials = credentialsFor(reference, secrets);
    for (const [index, auth] of (credentials.length === 0 ? [undefined] : credentials).entries()) {
      try {
        await this.#context.cri.pullImage(reference, auth, sandbox, signal);
        return;
      } catch (error) {
        if (index >= credentials.length - 1) throw error;
      }
    }
  }

  async #secretsOf(pod: PodManifest, signal: AbortSignal): Promise<readonly SecretData[]> {
    const { metadata, spec } = pod;
    const names = (spec.imagePullSecrets ?? []).flatMap(({ name = '' }) => (name === '' ? [] : [name]));
    const found = await Promise.all(names.map((name) => this.#context.references.secret(metadata.namespace ?? 'default', name, signal)));
    const missing = names.filter((_, index) => found[index] === undefined);
    if (missing.length > 0) this.#event({ pod }, 'Warning', 'FailedToRetrieveImagePullSecret', `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`);
    return found.filter((secret) => secret !== undefined);
  }

  async #slot(signal: AbortSignal): Promise<void> {
    while (this.#pulling >= PULLS_AT_ONCE) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#pulling += 1;
  }

  #failed(about: About, code: string, reason: string, message: string): KubeletError {
    this.#event(about, 'Warning', reason, message);
    return new KubeletError(code, message);
  }

  #event({ pod, ...container }: About, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.event(pod, { type, reason, message, ...container });
  }
}
