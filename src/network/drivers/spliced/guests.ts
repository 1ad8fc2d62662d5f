import { networkInterfaces } from 'node:os';
import { access, readdir, readFile } from 'node:fs/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { run } from '../../../base/process.ts';
import { FOREVER_SECONDS, type DhcpLease } from '../../dhcp/answer.ts';
import { KeyedLock } from '../../keyed-lock.ts';
import { NetworkError, type GuestEndpoint, type GuestEndpointRequest } from '../../port.ts';
import { interfaceExists, removeCommand, setSysctls } from '../native/interfaces.ts';
import { IpBatch, runInNamespace } from '../native/ip-batch.ts';
import type { StateFolder } from '../native/state-folder.ts';
import { namesOf, namesOfInterface, POD_INTERFACE, serverAddressOf, type SpliceNames } from './names.ts';
import { parsePodInterface, showCommands, type PodInterface } from './pod-interface.ts';
import { PodNamespace } from './pod-namespace.ts';
import type { SandboxWatch, Standing } from './sandbox-watch.ts';
import type { Sandbox, Sandboxes } from './sandboxes.ts';
import { linkCommands, nodeFilters, podFilters, tapCommands } from './splice-commands.ts';

/** A guest that has a tap here; the key is the tap's name. */
export interface SpliceRecord extends PodInterface {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid?: string;
  readonly hostname: string;
  readonly tap: string;
  /** The tap's own address. */
  readonly server: string;
  /** Id of the sandbox that it is spliced to; empty while the splice is being made. */
  readonly sandbox: string;
}

export interface SplicedGuestsOptions {
  readonly sandboxes: Sandboxes;
  readonly watch: SandboxWatch;
  readonly batch: IpBatch;
  readonly records: StateFolder<SpliceRecord>;
  readonly dns: { readonly servers: readonly string[]; readonly search: (namespace: string) => readonly string[] };
  /** Called with the address of a tap that is gone. */
  readonly onRemoved: (server: string) => Promise<void>;
  readonly log: Log;
}

/** What is told to a guest may change with its sandbox. */
const LEASE_SECONDS = 3600;
const INTERFACES = '/proc/sys/net/ipv4/conf';
const STRICT = '1';

/** The guests' share of the network: taps spliced to the interfaces of their anchors. */
export class SplicedGuests {
  readonly #options: SplicedGuestsOptions;
  readonly #lock = new KeyedLock();
  #leaseSeconds = LEASE_SECONDS;

  constructor(options: SplicedGuestsOptions) {
    this.#options = options;
  }

  /** Forgets records whose tap is gone, as after a restart of the host. */
  async start(): Promise<void> {
    // Such a host drops what a guest asks from the address that it has, since that is reached elsewhere: it must not need to ask.
    if ((await readFile(`${INTERFACES}/all/rp_filter`, 'utf8')).trim() === STRICT) this.#leaseSeconds = FOREVER_SECONDS;
    for (const [tap] of this.#options.records.entries()) {
      if (!(await interfaceExists(tap))) await this.#options.records.delete(tap);
    }
  }

  standing(): readonly Standing[] {
    return this.#options.records.entries().map(([, { namespace, pod, podUid, sandbox }]) =>
      ({ key: `${namespace}/${pod}`, sandbox, ...(podUid === undefined ? {} : { podUid }) }));
  }

  leaseOf(macAddress: string): DhcpLease | undefined {
    const { records, dns } = this.#options;
    const record = records.entries().findLast(([, candidate]) => candidate.macAddress === macAddress)?.[1];
    return record === undefined ? undefined : { ...record, servers: dns.servers, search: dns.search(record.namespace), leaseSeconds: this.#leaseSeconds };
  }

  ensure(request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    const names = namesOf(request.namespace, request.pod);
    return this.#lock.run(names.tap, () => this.#ensure(names, request, signal));
  }

  remove(namespace: string, pod: string): Promise<void> {
    const names = namesOf(namespace, pod);
    return this.#lock.run(names.tap, () => this.#remove(names));
  }

  /** Looks at the kernel, not only at records: what was made may be found, however the agent ended. */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    const interfaces = [...await readdir(INTERFACES), ...this.#options.records.entries().map(([tap]) => tap)];
    const found = new Map(interfaces.map(namesOfInterface).flatMap((names) => (names === undefined ? [] : [[names.tap, names]])));
    for (const key of keep) found.delete(namesOf(...splitKey(key)).tap);
    for (const [tap, names] of found) await this.#lock.run(tap, () => this.#remove(names));
  }

  async #ensure(names: SpliceNames, request: GuestEndpointRequest, signal?: AbortSignal): Promise<GuestEndpoint> {
    const { address, macAddress, mtu } = await this.#standingRecord(names, request, signal)
      ?? await this.#splice(names, request, await this.#options.watch.wait(request, signal), signal);
    return { address, macAddress, tap: names.tap, mtu };
  }

  /** The record of a splice that needs nothing: it stands, and the pod has no newer sandbox, or the runtime cannot tell now. */
  async #standingRecord(names: SpliceNames, request: GuestEndpointRequest, signal?: AbortSignal): Promise<SpliceRecord | undefined> {
    const record = this.#options.records.get(names.tap);
    const exists = await Promise.all([names.tap, names.link].map(interfaceExists));
    if (record === undefined || record.sandbox === '' || exists.includes(false)) return undefined;
    const sandbox = await this.#options.watch.find(request, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      this.#options.log.debug({ error: messageOf(error) }, 'the runtime does not tell whether a guest is spliced to the right sandbox');
      return undefined;
    });
    return sandbox === undefined || sandbox.id === record.sandbox ? record : undefined;
  }

  async #splice(names: SpliceNames, request: GuestEndpointRequest, sandbox: Sandbox, signal?: AbortSignal): Promise<SpliceRecord> {
    const { batch, records, log } = this.#options;
    const known = records.get(names.tap);
    if (known !== undefined) await records.set(names.tap, { ...known, sandbox: '' });
    await using namespace = await this.#open(sandbox, signal);
    await batch.run(linkCommands(names, namespace.path));
    const pod = await readPodInterface(namespace, signal);
    // A guest keeps the MAC address that it was defined with; the pod's then follows.
    const macAddress = known?.macAddress ?? request.macAddress?.toLowerCase() ?? pod.macAddress;
    refuse(request, pod, macAddress);
    const server = known?.server ?? serverAddressOf(names.tap, this.#taken());
    if (macAddress !== pod.macAddress) await runInNamespace(namespace.path, [{ text: `link set dev ${POD_INTERFACE} address ${macAddress}` }]);
    await Promise.all([
      batch.run(tapCommands(names, pod.mtu, server)).then(() => setSplicedSysctls(names)).then(() => filterNode(names)),
      runInNamespace(namespace.path, podFilters(), 'tc'),
    ]);
    const record: SpliceRecord = {
      ...pod, macAddress, server, tap: names.tap, namespace: request.namespace, pod: request.pod, hostname: request.hostname, sandbox: sandbox.id,
      ...(request.podUid === undefined ? {} : { podUid: request.podUid }),
    };
    await records.set(names.tap, record);
    log.info({ pod: `${request.namespace}/${request.pod}`, address: record.address, mac: macAddress, tap: names.tap, sandbox: sandbox.id }, 'guest spliced');
    return record;
  }

  /** The sandbox's namespace. The runtime is asked again once it is held, so that it is not that of a process that came after. */
  async #open(sandbox: Sandbox, signal?: AbortSignal): Promise<PodNamespace> {
    const { sandboxes } = this.#options;
    const gone = (): NetworkError => new NetworkError('NetworkNotReady', `sandbox ${sandbox.id} is gone; another one will come`, { disposition: 'wait' });
    const pid = await sandboxes.pidOf(sandbox.id, signal);
    if (pid === undefined) throw gone();
    const namespace = await PodNamespace.open(pid);
    try {
      if ((await sandboxes.pidOf(sandbox.id, signal)) !== pid) throw gone();
      return namespace;
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #remove(names: SpliceNames): Promise<void> {
    const { batch, records, onRemoved } = this.#options;
    const record = records.get(names.tap);
    const exists = await Promise.all([names.tap, names.link].map(interfaceExists));
    if (record === undefined && !exists.includes(true)) return;
    await batch.run([removeCommand(names.link), removeCommand(names.tap)]);
    await records.delete(names.tap);
    if (record !== undefined) await onRemoved(record.server);
  }

  /** Addresses of this node. */
  #taken(): ReadonlySet<string> {
    const others = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address));
    return new Set([...others, ...this.#options.records.entries().map(([, { server }]) => server)]);
  }
}

function splitKey(key: string): [namespace: string, pod: string] {
  const [namespace = '', pod = ''] = key.split('/');
  return [namespace, pod];
}

async function readPodInterface(namespace: PodNamespace, signal?: AbortSignal): Promise<PodInterface> {
  const hasIpv6 = await access('/proc/sys/net/ipv6').then(() => true, () => false);
  const output = await run('nsenter', [`--net=${namespace.path}`, 'ip', '-json', '-batch', '-'], {
    input: showCommands(hasIpv6), timeoutMs: 10_000, ...(signal === undefined ? {} : { signal }),
  });
  return parsePodInterface(output);
}

/** What a user fixed can only be had where the CNI agrees. */
function refuse(request: GuestEndpointRequest, pod: PodInterface, macAddress: string): void {
  if (request.address !== undefined && request.address !== pod.address) {
    throw new NetworkError('AddressOutsidePools', `the cluster's network gave the pod ${pod.address}, not ${request.address}; ask for no address, or give the pod what this network's CNI needs to fix one`, { disposition: 'stalled' });
  }
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(macAddress)) {
    throw new NetworkError('InterfaceError', `${JSON.stringify(request.macAddress)} is no MAC address; write it as 02:00:00:00:00:01`, { disposition: 'stalled' });
  }
}

/** The node has no business there but DHCP: a guest that has its address asks from there, which is reached by quite another interface. */
async function setSplicedSysctls({ tap, link }: SpliceNames): Promise<void> {
  await setSysctls({ [`ipv4/conf/${tap}/rp_filter`]: '0', [`ipv4/conf/${tap}/forwarding`]: '0' });
  // A host without IPv6 has no such files.
  await setSysctls({ [`ipv6/conf/${tap}/disable_ipv6`]: '1', [`ipv6/conf/${link}/disable_ipv6`]: '1' }).catch(() => {});
}

/** By a tc of its own: a kept one remembers the numbers of interfaces that have gone with their pods. */
async function filterNode(names: SpliceNames): Promise<void> {
  await using batch = new IpBatch({ program: 'tc' });
  await batch.run(nodeFilters(names));
}
