import { KubeClient } from '../../../kube/client.ts';
import { ipPools } from '../../calico/kinds.ts';
import { handleOfVirtualMachine, hostInterfaceOf, macAddressOf } from '../../handle.ts';
import { CalicoIpam } from '../../ipam/calico-ipam.ts';
import { MemoryApi } from '../../ipam/memory-api.ts';
import type { GuestEndpoint, GuestEndpointRequest, Ipam, NodeNetwork } from '../../port.ts';

export interface SimulatedNetworkOptions {
  readonly node: string;
  /** Shared by all nodes of a cluster: CalicoIpam on a real API, or the one of `memoryIpam`. */
  readonly ipam: Ipam;
  /** Default 1500. */
  readonly mtu?: number;
}

/** The whole algorithm on an API in memory, with one pool. */
export async function memoryIpam(cidr = '10.244.0.0/16'): Promise<CalicoIpam> {
  const client = new KubeClient(new MemoryApi());
  await client.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'default-ipv4-ippool' }, spec: { cidr } });
  return new CalicoIpam({ client });
}

/** A node network without a kernel: real addresses, imagined interfaces. */
export class SimulatedNetwork implements NodeNetwork {
  readonly pods = undefined;
  readonly metadata = undefined;
  readonly #options: SimulatedNetworkOptions;
  readonly #guests = new Map<string, GuestEndpoint>();

  constructor(options: SimulatedNetworkOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  async ensureGuest(request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    const { ipam, node, mtu = 1500 } = this.#options;
    const address = await ipam.assign({
      handle: handleOfVirtualMachine(request.namespace, request.virtualMachine),
      node,
      ...(request.address === undefined ? {} : { requested: request.address }),
      attributes: { pod: request.pod, namespace: request.namespace, node },
    }, signal);
    const endpoint = { address, macAddress: request.macAddress?.toLowerCase() ?? macAddressOf(request.uid), tap: hostInterfaceOf(request.namespace, request.pod), mtu, ...(request.floatingAddress === undefined ? {} : { floatingAddress: request.floatingAddress }) };
    this.#guests.set(`${request.namespace}/${request.pod}`, endpoint);
    return endpoint;
  }

  removeGuest(namespace: string, pod: string): Promise<void> {
    this.#guests.delete(`${namespace}/${pod}`);
    return Promise.resolve();
  }

  prune(keep: ReadonlySet<string>): Promise<void> {
    for (const key of this.#guests.keys()) if (!keep.has(key)) this.#guests.delete(key);
    return Promise.resolve();
  }

  /** What stands now, by `<namespace>/<pod>`. */
  get guests(): ReadonlyMap<string, GuestEndpoint> {
    return this.#guests;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#guests.clear();
    return Promise.resolve();
  }
}
