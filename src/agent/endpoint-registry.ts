import type { GuestEndpoint } from '../network/port.ts';
import type { ObjectKey } from '../kube/object.ts';

/** Where the CNI's ADD for an anchor waits for the address that the guest's start takes. */
export class EndpointRegistry {
  readonly #entries = new Map<ObjectKey, PromiseWithResolvers<GuestEndpoint>>();

  endpointOf(anchor: ObjectKey): Promise<GuestEndpoint> {
    return this.#entry(anchor).promise;
  }

  settle(anchor: ObjectKey, endpoint: GuestEndpoint): void {
    this.#entry(anchor).resolve(endpoint);
  }

  forget(anchor: ObjectKey): void {
    this.#entries.get(anchor)?.reject(new Error(`anchor ${anchor} is gone`));
    this.#entries.delete(anchor);
  }

  #entry(anchor: ObjectKey): PromiseWithResolvers<GuestEndpoint> {
    const known = this.#entries.get(anchor);
    if (known !== undefined) return known;
    const entry = Promise.withResolvers<GuestEndpoint>();
    entry.promise.catch(() => {});
    this.#entries.set(anchor, entry);
    return entry;
  }
}
