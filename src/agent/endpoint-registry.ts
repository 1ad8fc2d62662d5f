import type { GuestEndpoint } from '../network/port.ts';
import type { ObjectKey } from '../kube/object.ts';

/** Addresses of this node's guests. The CNI's ADD for an anchor waits here for the one that the guest's start takes. */
export class EndpointRegistry {
  /** By address. A machine's next anchor has the address of the one before. */
  readonly #anchors = new Map<string, ObjectKey>();
  readonly #entries = new Map<ObjectKey, PromiseWithResolvers<GuestEndpoint>>();

  endpointOf(anchor: ObjectKey): Promise<GuestEndpoint> {
    return this.#entry(anchor).promise;
  }

  settle(anchor: ObjectKey, endpoint: GuestEndpoint): void {
    this.#entry(anchor).resolve(endpoint);
    this.#anchors.set(endpoint.address, anchor);
  }

  /** The anchor whose guest has the address. */
  anchorAt(address: string): ObjectKey | undefined {
    return this.#anchors.get(address);
  }

  forget(anchor: ObjectKey): void {
    this.#entries.get(anchor)?.reject(new Error(`anchor ${anchor} is gone`));
    this.#entries.delete(anchor);
    for (const [address, other] of this.#anchors) if (other === anchor) this.#anchors.delete(address);
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
