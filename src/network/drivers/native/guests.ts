import type { Clock } from '../../../base/clock.ts';
import { FOREVER_SECONDS, type DhcpLease } from '../../dhcp/answer.ts';
import { handleOfFloating, handleOfVirtualMachine, hostInterfaceOf, macAddressOf } from '../../handle.ts';
import { KeyedLock } from '../../keyed-lock.ts';
import { NetworkError, type GuestEndpoint, type GuestEndpointRequest, type Ipam } from '../../port.ts';
import { GATEWAY, interfaceExists, removeCommand, setWorkloadSysctls, tapCommands } from './interfaces.ts';
import type { IpBatch } from './ip-batch.ts';
import type { StateFolder } from './state-folder.ts';
import type { VirtualNodeRoute } from './virtual-node-routes.ts';

/** A guest that has a tap here; the key is the tap's name. */
export interface GuestRecord extends GuestEndpoint {
  readonly namespace: string;
  readonly pod: string;
  readonly virtualMachine: string;
  readonly hostname: string;
  /** The Node that the guest is. */
  readonly virtualNode?: string;
  /** It asks for metadata. */
  readonly metadata?: boolean;
}

export interface GuestsOptions {
  readonly node: string;
  readonly ipam: Ipam;
  readonly batch: IpBatch;
  readonly records: StateFolder<GuestRecord>;
  readonly mtu: () => number;
  readonly dns: { readonly servers: readonly string[]; readonly search: (namespace: string) => readonly string[] };
  /** Called when addresses of this node came or went. */
  readonly onChange: () => void;
  readonly clock: Clock;
}

/** Everything but the guest itself lies behind the gateway, which is outside of any network and therefore reached directly. */
const ROUTED = {
  prefix: 32,
  server: GATEWAY,
  router: GATEWAY,
  routes: [{ network: GATEWAY, prefix: 32, router: '0.0.0.0' }, { network: '0.0.0.0', prefix: 0, router: GATEWAY }],
  leaseSeconds: FOREVER_SECONDS,
} as const;

/** The guests' share of the network: taps, their routes and what DHCP tells them. */
export class Guests {
  readonly #options: GuestsOptions;
  readonly #lock = new KeyedLock();

  constructor(options: GuestsOptions) {
    this.#options = options;
  }

  /** Forgets records whose tap is gone, as after a restart of the host. */
  async start(): Promise<void> {
    for (const [tap] of this.#options.records.entries()) {
      if (!(await interfaceExists(tap))) await this.#options.records.delete(tap);
    }
  }

  isTap(name: string): boolean {
    return this.#options.records.get(name) !== undefined;
  }

  addresses(): readonly string[] {
    return this.#options.records.entries().flatMap(([, { address, floatingAddress }]) => (floatingAddress === undefined ? [address] : [address, floatingAddress]));
  }

  /** Guests' own addresses by their floating ones. */
  floating(): ReadonlyMap<string, string> {
    return new Map(this.#options.records.entries().flatMap(([, { address, floatingAddress }]): [string, string][] => (floatingAddress === undefined ? [] : [[floatingAddress, address]])));
  }

  /** Guests that are nodes, with their taps. */
  virtualNodes(): readonly VirtualNodeRoute[] {
    return this.#options.records.entries().flatMap(([tap, { virtualNode, address }]) => (virtualNode === undefined ? [] : [{ node: virtualNode, tap, address }]));
  }

  /** Guests that ask for metadata, with their taps. */
  metadataClients(): readonly { readonly tap: string; readonly address: string }[] {
    return this.#options.records.entries().flatMap(([tap, { metadata, address }]) => (metadata === true ? [{ tap, address }] : []));
  }

  leaseOf(macAddress: string): DhcpLease | undefined {
    // The latest: a VM's former anchor may still be here when it has a new one.
    const record = this.#options.records.entries().findLast(([, candidate]) => candidate.macAddress === macAddress)?.[1];
    if (record === undefined) return undefined;
    const { address, hostname, mtu, namespace } = record;
    return { ...ROUTED, address, macAddress, hostname, mtu, servers: this.#options.dns.servers, search: this.#options.dns.search(namespace) };
  }

  ensure(request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    const tap = hostInterfaceOf(request.namespace, request.pod);
    return this.#lock.run(tap, () => this.#ensure(tap, request, signal));
  }

  remove(namespace: string, pod: string): Promise<void> {
    const tap = hostInterfaceOf(namespace, pod);
    return this.#lock.run(tap, () => this.#remove(tap));
  }

  async prune(keep: ReadonlySet<string>): Promise<void> {
    for (const [tap, { namespace, pod }] of this.#options.records.entries()) {
      if (!keep.has(`${namespace}/${pod}`)) await this.#lock.run(tap, () => this.#remove(tap));
    }
  }

  async #ensure(tap: string, request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    const { ipam, batch, records, mtu, node, clock } = this.#options;
    const macAddress = request.macAddress?.toLowerCase() ?? macAddressOf(request.uid);
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(macAddress)) {
      throw new NetworkError('InterfaceError', `${JSON.stringify(request.macAddress)} is no MAC address; write it as 02:00:00:00:00:01`, { disposition: 'stalled' });
    }
    const [exists, former] = [await interfaceExists(tap), records.get(tap)];
    await this.#float(request, exists, signal);
    const address = await ipam.assign({
      handle: handleOfVirtualMachine(request.namespace, request.virtualMachine),
      node,
      ...(request.address === undefined ? {} : { requested: request.address }),
      attributes: { pod: request.pod, namespace: request.namespace, node, vmi: request.virtualMachine, timestamp: new Date(clock.now()).toISOString() },
    }, signal);
    // A tap's MTU is its guest's for life.
    const record: GuestRecord = {
      address, macAddress, tap,
      mtu: (exists ? former?.mtu : undefined) ?? mtu(),
      namespace: request.namespace, pod: request.pod, virtualMachine: request.virtualMachine, hostname: request.hostname,
      ...(request.floatingAddress === undefined ? {} : { floatingAddress: request.floatingAddress }),
      ...(request.virtualNode === undefined ? {} : { virtualNode: request.virtualNode }),
      ...(request.metadata === true ? { metadata: true } : {}),
    };
    // Known before it is made, so that a tap never stays unknown.
    if (JSON.stringify(former) !== JSON.stringify(record)) await records.set(tap, record);
    await batch.run(tapCommands(record, exists, former?.floatingAddress));
    await setWorkloadSysctls(tap);
    this.#options.onChange();
    return { address, macAddress, tap, mtu: record.mtu, ...(request.floatingAddress === undefined ? {} : { floatingAddress: request.floatingAddress }) };
  }

  /** Takes its floating address, so that no other has it; one that starts without gives back what it had before, wherever that was. */
  async #float({ namespace, virtualMachine, pod, floatingAddress }: GuestEndpointRequest, exists: boolean, signal?: AbortSignal): Promise<void> {
    const { ipam, node, clock } = this.#options;
    const handle = handleOfFloating(namespace, virtualMachine);
    if (floatingAddress !== undefined) await ipam.assign({ handle, node, requested: floatingAddress, manualOnly: true, attributes: { pod, namespace, node, vmi: virtualMachine, timestamp: new Date(clock.now()).toISOString() } }, signal);
    else if (!exists) await ipam.release(handle, signal);
  }

  async #remove(tap: string): Promise<void> {
    const { batch, records } = this.#options;
    if (records.get(tap) === undefined) return;
    await batch.run([removeCommand(tap)]);
    await records.delete(tap);
    this.#options.onChange();
  }
}
