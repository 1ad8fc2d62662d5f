import type { Clock } from '../../base/clock.ts';
import type { PodAddresses } from '../../container/kubelet/port.ts';
import type { PodManifest } from '../../container/kubelet/pod.ts';
import type { GuestLink } from '../../container/link/port.ts';
import { handleOfContainer } from '../../network/handle.ts';
import type { Ipam } from '../../network/port.ts';

export interface VirtualNodeAddressesOptions {
  readonly ipam: Ipam;
  readonly link: GuestLink;
  readonly node: string;
  readonly clock: Clock;
}

/** Addresses of pods in a guest, from blocks of the node that the guest is: the way to those leads into the guest. */
export class VirtualNodeAddresses implements PodAddresses {
  readonly #options: VirtualNodeAddressesOptions;

  constructor(options: VirtualNodeAddressesOptions) {
    this.#options = options;
  }

  async assign(pod: PodManifest, signal?: AbortSignal): Promise<string> {
    const { ipam, link, node, clock } = this.#options;
    const { name, namespace = 'default', uid = '' } = pod.metadata;
    const address = await ipam.assign({
      handle: handleOfContainer(uid),
      node,
      ownBlocksOnly: true,
      attributes: { pod: name, namespace, node, timestamp: new Date(clock.now()).toISOString() },
    }, signal);
    await link.setEndpoint({ podUid: uid, address }, signal);
    return address;
  }

  async release(podUid: string, signal?: AbortSignal): Promise<void> {
    const { ipam, link } = this.#options;
    await link.removeEndpoint(podUid, signal);
    await ipam.release(handleOfContainer(podUid), signal);
  }
}
