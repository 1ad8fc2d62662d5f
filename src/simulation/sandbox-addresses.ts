import type { ObjectKey } from '../kube/object.ts';
import { keyFor } from '../kube/object.ts';
import type { AssignRequest, Ipam } from '../network/port.ts';

/**
 * The addresses that an imagined CNI gives to sandboxes. To a simulated network they look like an address book, since on
 * a foreign CNI a guest has the address of its anchor's sandbox, and waits for it.
 */
export class SandboxAddresses implements Ipam {
  readonly #known = new Map<ObjectKey, PromiseWithResolvers<string>>();
  #count = 0;

  /** The pod's sandbox stands: it gets the address that it had, or a new one. */
  give(pod: ObjectKey, had: string | undefined): string {
    const address = had ?? this.#next();
    this.#entry(pod).resolve(address);
    return address;
  }

  /** The pod's sandbox is gone; who still waits for its address waits in vain. */
  take(pod: ObjectKey): void {
    this.#known.get(pod)?.reject(new Error(`the sandbox of ${pod} is gone`));
    this.#known.delete(pod);
  }

  async assign({ attributes }: AssignRequest, signal?: AbortSignal): Promise<string> {
    const address = await this.#entry(keyFor(attributes['namespace'], attributes['pod'] ?? '')).promise;
    signal?.throwIfAborted();
    return address;
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  addressesOf(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  nodes(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  releaseNode(): Promise<void> {
    return Promise.resolve();
  }

  #entry(pod: ObjectKey): PromiseWithResolvers<string> {
    const known = this.#known.get(pod);
    if (known !== undefined) return known;
    const entry = Promise.withResolvers<string>();
    entry.promise.catch(() => {});
    this.#known.set(pod, entry);
    return entry;
  }

  /** From 10.128.0.0/9, which holds eight million. */
  #next(): string {
    this.#count += 1;
    return `10.${128 + (this.#count >> 16)}.${(this.#count >> 8) & 255}.${this.#count & 255}`;
  }
}
