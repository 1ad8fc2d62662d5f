import { backoffMs } from '../../../base/backoff.ts';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { handleOfContainer, hostInterfaceOf, macAddressOf } from '../../handle.ts';
import { KeyedLock } from '../../keyed-lock.ts';
import { NetworkError, type Ipam, type PodLookup } from '../../port.ts';
import { CniCode, CniError, cniResult, podOf, type CniEndpoint, type CniRequest } from './cni-request.ts';
import { GATEWAY, HOST_MAC, interfaceExists, kindOfInterface, podCommands, removeCommand, setWorkloadSysctls, vethCommands } from './interfaces.ts';
import { runInNamespace, type IpBatch } from './ip-batch.ts';
import type { StateFolder } from './state-folder.ts';

/** A sandbox that was added and not yet removed. */
export interface Attachment {
  readonly kind: 'container' | 'anchor';
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly netns: string;
  readonly hostInterface: string;
  readonly macAddress: string;
  /** Absent until the address is taken. */
  readonly address?: string;
}

/** An address that is still to be released; the key is the container's id. */
export interface PendingRelease {
  readonly since: string;
}

export interface ContainersOptions {
  readonly node: string;
  readonly ipam: Ipam;
  readonly lookup: PodLookup;
  readonly batch: IpBatch;
  readonly attachments: StateFolder<Attachment>;
  readonly releases: StateFolder<PendingRelease>;
  readonly mtu: () => number;
  /** Whether this interface is a guest's tap, which containers leave alone. */
  readonly isTap: (name: string) => boolean;
  /** Called when addresses of this node came or went. */
  readonly onChange: () => void;
  readonly log: Log;
  readonly clock: Clock;
}

/** Time that a DEL waits for the address book before it leaves the release to the background. */
const RELEASE_WAIT_MS = 3000;
const RETRY = { baseMs: 500, capMs: 30_000, jitter: 0.3 };

/** The containers' share of the network: what the CNI commands do. */
export class Containers implements AsyncDisposable {
  readonly #options: ContainersOptions;
  readonly #lock = new KeyedLock();
  readonly #stop = new AbortController();
  readonly #background = new Set<Promise<void>>();

  constructor(options: ContainersOptions) {
    this.#options = options;
  }

  /** Takes up what a former run left to do. */
  start(): void {
    for (const [id] of this.#options.releases.entries()) this.#releaseLater(id, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new NetworkError('NetworkNotReady', 'the node\'s network has been stopped'));
    await Promise.all(this.#background);
  }

  handle(request: CniRequest, signal: AbortSignal): Promise<unknown> {
    const commands: Readonly<Record<CniRequest['command'], () => Promise<unknown>>> = {
      ADD: () => this.#exclusive(request, () => this.#add(request, signal)),
      DEL: () => this.#exclusive(request, () => this.#remove(request.containerId, podOf(request.args))),
      CHECK: () => this.#check(request),
      GC: () => this.#collect(request),
      STATUS: () => Promise.resolve({}),
    };
    return commands[request.command]();
  }

  #exclusive<T>(request: CniRequest, work: () => Promise<T>): Promise<T> {
    return this.#lock.run(request.containerId, work);
  }

  async #add(request: CniRequest, signal: AbortSignal): Promise<unknown> {
    const pod = podOf(request.args);
    if (pod === undefined) throw new CniError(CniCode.invalidEnvironment, 'CNI_ARGS names no pod; this network serves Kubernetes pods only');
    const { attachments, lookup, mtu, isTap } = this.#options;
    const known = attachments.get(request.containerId);
    const hostInterface = hostInterfaceOf(pod.namespace, pod.name);
    // The runtime repeats an ADD whose answer it did not get.
    if (known?.kind === 'container' && known.address !== undefined && known.netns === request.netns && (await interfaceExists(hostInterface))) return cniResult(request, endpointOf(known, known.address));
    const attached = await lookup(pod, signal);
    const base = { namespace: pod.namespace, pod: pod.name, uid: pod.uid, netns: request.netns, hostInterface };
    if (attached.kind === 'anchor') {
      const endpoint = await abortable(attached.endpoint, signal);
      const attachment: Attachment = { ...base, kind: 'anchor', hostInterface: endpoint.tap, macAddress: endpoint.macAddress, address: endpoint.address };
      await attachments.set(request.containerId, attachment);
      return cniResult(request, endpointOf(attachment, endpoint.address));
    }
    if (isTap(hostInterface)) throw new CniError(CniCode.tryAgainLater, `${hostInterface} is still a guest's; it is removed once its anchor is gone`);
    const { annotations } = attached;
    const attachment: Attachment = { ...base, kind: 'container', macAddress: macOf(annotations) ?? macAddressOf(request.containerId) };
    // Known before the address is taken, so that nothing is taken unknown.
    await attachments.set(request.containerId, attachment);
    await this.#options.releases.delete(request.containerId);
    const address = await this.#assign(request.containerId, attachment, annotations, signal);
    const spec = { hostInterface, address, macAddress: attachment.macAddress, mtu: mtu(), namespace: request.netns, name: request.ifName };
    await this.#lock.run(hostInterface, async () => {
      await this.#options.batch.run(vethCommands(spec));
      await Promise.all([setWorkloadSysctls(hostInterface), runInNamespace(request.netns, podCommands(spec))]);
    });
    await attachments.set(request.containerId, { ...attachment, address });
    this.#options.onChange();
    return cniResult(request, endpointOf(attachment, address));
  }

  #assign(containerId: string, attachment: Attachment, annotations: Readonly<Record<string, string>>, signal: AbortSignal): Promise<string> {
    const [requested] = listOf(annotations, 'ipAddrs') ?? [];
    const pools = listOf(annotations, 'ipv4pools');
    return this.#options.ipam.assign({
      handle: handleOfContainer(containerId),
      node: this.#options.node,
      ...(requested === undefined ? {} : { requested }),
      ...(pools === undefined ? {} : { pools }),
      attributes: {
        pod: attachment.pod,
        namespace: attachment.namespace,
        node: this.#options.node,
        timestamp: new Date(this.#options.clock.now()).toISOString(),
      },
    }, signal);
  }

  /** Removes what the container has here; never fails for what is gone already, and leaves a late release to the background. */
  async #remove(containerId: string, pod: { readonly namespace: string; readonly name: string } | undefined): Promise<void> {
    const { attachments, releases, batch, isTap } = this.#options;
    const attachment = attachments.get(containerId);
    const hostInterface = attachment?.hostInterface ?? (pod === undefined ? undefined : hostInterfaceOf(pod.namespace, pod.name));
    if (attachment?.kind !== 'anchor') {
      await releases.set(containerId, { since: new Date(this.#options.clock.now()).toISOString() });
      const shared = attachments.entries().some(([id, other]) => id !== containerId && other.hostInterface === hostInterface);
      if (hostInterface !== undefined && !shared && !isTap(hostInterface)) {
        await this.#lock.run(hostInterface, async () => {
          // Without a record of ours only a veth can have been made for a container.
          if (attachment !== undefined || (await kindOfInterface(hostInterface)) === 'veth') await batch.run([removeCommand(hostInterface)]);
        });
      }
    }
    await attachments.delete(containerId);
    if (attachment?.kind === 'anchor') return;
    this.#options.onChange();
    const done = await this.#release(containerId, AbortSignal.timeout(RELEASE_WAIT_MS)).then(() => true, (error: unknown) => {
      this.#options.log.warn({ container: containerId, error: messageOf(error) }, 'address will be released later');
      return false;
    });
    if (!done) this.#releaseLater(containerId, 1);
  }

  async #release(containerId: string, signal: AbortSignal): Promise<void> {
    await this.#options.ipam.release(handleOfContainer(containerId), signal);
    await this.#options.releases.delete(containerId);
  }

  #releaseLater(containerId: string, failures: number): void {
    const work = this.#retryRelease(containerId, failures).catch(() => {});
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  async #retryRelease(containerId: string, failures: number): Promise<void> {
    const { signal } = this.#stop;
    for (let count = failures; !signal.aborted; count++) {
      if (count > 0) await this.#options.clock.sleep(backoffMs(count, RETRY), signal);
      // An ADD of the same container has taken the address again.
      if (this.#options.releases.get(containerId) === undefined) return;
      const done = await this.#lock.run(containerId, () => this.#release(containerId, signal)).then(() => true, () => false);
      if (done) return;
    }
  }

  async #check(request: CniRequest): Promise<unknown> {
    const attachment = this.#options.attachments.get(request.containerId);
    if (attachment?.address === undefined) throw new CniError(CniCode.unknownContainer, `container ${request.containerId} is not attached`);
    if (!(await interfaceExists(attachment.hostInterface))) throw new CniError(CniCode.internal, `interface ${attachment.hostInterface} of ${attachment.namespace}/${attachment.pod} is gone; restart the pod`);
    return {};
  }

  async #collect(request: CniRequest): Promise<unknown> {
    const valid = request.config['cni.dev/valid-attachments'];
    if (valid === undefined) return {};
    const keep = new Set(valid.map(({ containerID }) => containerID));
    for (const [id] of this.#options.attachments.entries()) {
      if (!keep.has(id)) await this.#lock.run(id, () => this.#remove(id, undefined));
    }
    return {};
  }
}

function endpointOf(attachment: Attachment, address: string): CniEndpoint {
  return { address, macAddress: attachment.macAddress, hostInterface: attachment.hostInterface, hostMac: HOST_MAC, gateway: GATEWAY };
}

function macOf(annotations: Readonly<Record<string, string>>): string | undefined {
  const mac = annotations['cni.projectcalico.org/hwAddr']?.toLowerCase();
  if (mac === undefined || /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return mac;
  throw new CniError(CniCode.internal, `annotation cni.projectcalico.org/hwAddr ${JSON.stringify(mac)} is no MAC address`);
}

function listOf(annotations: Readonly<Record<string, string>>, name: string): readonly string[] | undefined {
  const text = annotations[`cni.projectcalico.org/${name}`];
  if (text === undefined) return undefined;
  try {
    const list = JSON.parse(text) as unknown;
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  } catch {
    // Told below, as for any other value that is no list.
  }
  throw new CniError(CniCode.internal, `annotation cni.projectcalico.org/${name} must be a JSON list of strings, such as ["10.0.0.5"]`);
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
