import type { Duplex } from 'node:stream';
import { systemClock, type Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { silentLog, type Log } from '../../../base/log.ts';
import { KeyedQueue } from '../../keyed-queue.ts';
import { GuestError, type Guest, type GuestDefinition, type GuestDisk, type GuestEvent, type GuestState, type GuestUsage, type Hypervisor, type HypervisorInfo, type LiveDisk } from '../../port.ts';
import { isRunning, runningState, stoppedState } from './domain-state.ts';
import { readCpuSeconds, readStatistics, statisticsArgs, usageOf } from './domain-statistics.ts';
import { domainXml, pluggedDisk } from './domain-xml.ts';
import { guestError } from './errors.ts';
import { interfaceWithLink } from './live-interface.ts';
import { disksOf, freeTarget, type DomainDisk } from './live-disks.ts';
import { affectLive, consoleForce, domainArgs, procedure, qemuProcedure, readDomain, resizeBytes, shutdownFlag, undefineEverything } from './procedures.ts';
import type { CallOptions } from './rpc/connection.ts';
import { program } from './rpc/message.ts';
import { libvirtCode, RemoteError } from './rpc/remote-error.ts';
import { XdrWriter, type XdrReader } from './rpc/xdr.ts';
import { Session, type Lane } from './session.ts';

export interface LibvirtOptions {
  /** Default `/run/libvirt/libvirt-sock`. */
  readonly socketPath?: string;
  /** What guests run on; see `probeAcceleration`. Asked once, before the first guest starts. */
  readonly acceleration: () => Promise<'kvm' | 'tcg'>;
  readonly log?: Log;
  readonly clock?: Clock;
  /** Longest time for the guest agent to answer. Default 5. */
  readonly agentTimeoutSeconds?: number;
  /** A silent libvirtd is asked after this long and given up after three times this. Default 5000. */
  readonly keepaliveMs?: number;
}

/** Starting, ending and redefining a guest may take long on a busy host; without an answer the caller asks anew. */
const actionTimeoutMs = 120_000;

/** The libvirt and QEMU of this host. Domains are persistent, so that libvirt remembers how each ended. */
export class LibvirtHypervisor implements Hypervisor {
  readonly #options: LibvirtOptions;
  readonly #clock: Clock;
  readonly #session: Session;
  readonly #listeners = new Set<(event: GuestEvent) => void>();
  readonly #turns = new KeyedQueue();
  #acceleration: Promise<'kvm' | 'tcg'> | undefined;
  /** Whether guests get limits: until libvirt says that it cannot set them here. */
  #limited = true;

  constructor(options: LibvirtOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#session = new Session({
      socketPath: options.socketPath ?? '/run/libvirt/libvirt-sock',
      log: options.log ?? silentLog,
      clock: this.#clock,
      onEvent: (event) => this.#emit(event),
      ...(options.keepaliveMs === undefined ? {} : { keepaliveMs: options.keepaliveMs }),
    });
  }

  async info(): Promise<HypervisorInfo> {
    const [version, acceleration] = await Promise.all([this.#call('query', procedure.connectGetVersion, Buffer.alloc(0)), this.#probe()]);
    const number = Number(version.unsignedHyper());
    return { hypervisor: 'QEMU', version: `${Math.floor(number / 1_000_000)}.${Math.floor(number / 1000) % 1000}.${number % 1000}`, acceleration };
  }

  async list(signal?: AbortSignal): Promise<readonly Guest[]> {
    const reply = await this.#call('query', procedure.connectListAllDomains, new XdrWriter().int(1).unsigned(0).toBuffer(), { signal });
    const domains = reply.array((reader) => readDomain(reader));
    const guests = await Promise.all(domains.map(async ({ id, name }) => ({ id, name, state: await this.get(id, signal) })));
    return guests.filter((guest) => guest.state.phase !== 'absent');
  }

  async get(id: string, signal?: AbortSignal): Promise<GuestState> {
    try {
      return await this.#state(id, signal);
    } catch (error) {
      if (is(error, 'GuestNotFound')) return { phase: 'absent' };
      throw error;
    }
  }

  async usage(signal?: AbortSignal): Promise<readonly GuestUsage[]> {
    const reply = await this.#call('query', procedure.connectGetAllDomainStats, statisticsArgs(), { signal });
    const usages = await Promise.all(readStatistics(reply).map(async (statistics) => usageOf(statistics, await this.#cpuSeconds(statistics.id, signal))));
    return usages.filter(({ cpuSeconds }) => cpuSeconds > 0);
  }

  start(guest: GuestDefinition, signal?: AbortSignal): Promise<void> {
    return this.#turns.run(guest.id, async () => {
      if ((await this.get(guest.id, signal)).phase === 'running') return;
      try {
        await this.#create(guest, signal);
      } catch (error) {
        if (!this.#limited || !lacksCgroup(error)) throw error;
        this.#limited = false;
        (this.#options.log ?? silentLog).warn({ error: messageOf(error) }, 'this host has no cgroups for libvirt: guests are not held to their CPUs and memory');
        await this.#create(guest, signal);
      }
    }, signal);
  }

  async #create(guest: GuestDefinition, signal?: AbortSignal): Promise<void> {
    const xml = domainXml(guest, { acceleration: await this.#probe(), startedAt: this.#clock.now(), limited: this.#limited });
    const options = { signal, timeoutMs: actionTimeoutMs };
    await this.#call('action', procedure.domainDefineXmlFlags, new XdrWriter().string(xml).unsigned(0).toBuffer(), options, guest.name);
    try {
      await this.#call('action', procedure.domainCreateWithFlags, domainArgs(guest.id, guest.name).unsigned(0).toBuffer(), options, guest.name);
    } catch (error) {
      // Somebody else started it meanwhile.
      if (!is(error, 'GuestNotRunning') || (await this.get(guest.id, signal)).phase !== 'running') throw error;
    }
  }

  async shutdown(id: string, signal?: AbortSignal): Promise<void> {
    const state = await this.get(id, signal);
    if (state.phase !== 'running') return;
    // The agent's command may hang with the agent; the power button goes first, since it costs nothing to press it.
    await this.#unlessEnded(this.#call('action', procedure.domainShutdownFlags, domainArgs(id).unsigned(shutdownFlag.acpi).toBuffer(), { signal }, id));
    if (!state.agentConnected) return;
    this.#call('agent', procedure.domainShutdownFlags, domainArgs(id).unsigned(shutdownFlag.agent).toBuffer(), {}, id).catch((error: unknown) => {
      (this.#options.log ?? silentLog).debug({ guest: id, err: error }, 'the agent was not asked to shut down');
    });
  }

  async destroy(id: string, signal?: AbortSignal): Promise<void> {
    await this.#unlessEnded(this.#call('action', procedure.domainDestroyFlags, domainArgs(id).unsigned(0).toBuffer(), { signal, timeoutMs: actionTimeoutMs }, id));
  }

  remove(id: string, signal?: AbortSignal): Promise<void> {
    return this.#turns.run(id, async () => {
      await this.destroy(id, signal);
      await this.#unlessEnded(this.#call('action', procedure.domainUndefineFlags, domainArgs(id).unsigned(undefineEverything).toBuffer(), { signal }, id));
    }, signal);
  }

  async pause(id: string, signal?: AbortSignal): Promise<void> {
    const state = await this.#running(id, signal);
    if (!state.paused) await this.#call('action', procedure.domainSuspend, domainArgs(id).toBuffer(), { signal }, id);
  }

  async resume(id: string, signal?: AbortSignal): Promise<void> {
    const state = await this.#running(id, signal);
    if (state.paused) await this.#call('action', procedure.domainResume, domainArgs(id).toBuffer(), { signal }, id);
  }

  async reset(id: string, signal?: AbortSignal): Promise<void> {
    await this.#call('action', procedure.domainReset, domainArgs(id).unsigned(0).toBuffer(), { signal }, id);
  }

  async setLink(id: string, macAddress: string, up: boolean, signal?: AbortSignal): Promise<void> {
    await this.#running(id, signal);
    const xml = await this.#call('query', procedure.domainGetXmlDesc, domainArgs(id).unsigned(0).toBuffer(), { signal }, id);
    const update = interfaceWithLink(xml.string(), macAddress, up);
    if (update === undefined) throw new GuestError('GuestRejected', `${id} has no interface ${macAddress}`, { disposition: 'stalled' });
    await this.#call('action', procedure.domainUpdateDeviceFlags, domainArgs(id).string(update).unsigned(affectLive).toBuffer(), { signal }, id);
  }

  async disks(id: string, signal?: AbortSignal): Promise<readonly LiveDisk[]> {
    return Promise.all((await this.#domainDisks(id, signal)).map(async ({ name, path, target }) => {
      const info = await this.#call('query', procedure.domainGetBlockInfo, domainArgs(id).string(target).unsigned(0).toBuffer(), { signal }, id);
      info.unsignedHyper();
      return { name, path, sizeBytes: Number(info.unsignedHyper()) };
    }));
  }

  attachDisk(id: string, disk: GuestDisk, signal?: AbortSignal): Promise<void> {
    return this.#turns.run(id, async () => {
      const known = await this.#domainDisks(id, signal);
      if (known.some(({ name }) => name === disk.name)) return;
      await this.#call('action', procedure.domainAttachDeviceFlags, domainArgs(id).string(pluggedDisk(disk, freeTarget(known))).unsigned(affectLive).toBuffer(), { signal, timeoutMs: actionTimeoutMs }, id);
    }, signal);
  }

  async detachDisk(id: string, name: string, signal?: AbortSignal): Promise<void> {
    const disk = (await this.#domainDisks(id, signal)).find((known) => known.name === name);
    if (disk === undefined) return;
    await this.#call('action', procedure.domainDetachDeviceFlags, domainArgs(id).string(disk.element).unsigned(affectLive).toBuffer(), { signal, timeoutMs: actionTimeoutMs }, id).catch((error: unknown) => {
      // The guest has been asked before and has not let go yet.
      if (!(error instanceof GuestError && /already in the process of unplug/.test(error.message))) throw error;
    });
  }

  async resizeDisk(id: string, name: string, sizeBytes: number, signal?: AbortSignal): Promise<void> {
    const disk = (await this.#domainDisks(id, signal)).find((known) => known.name === name);
    if (disk === undefined) throw new GuestError('GuestRejected', `${id} has no disk ${name}`, { disposition: 'stalled' });
    await this.#call('action', procedure.domainBlockResize, domainArgs(id).string(disk.target).unsignedHyper(sizeBytes).unsigned(resizeBytes).toBuffer(), { signal }, id);
  }

  async openConsole(id: string, signal?: AbortSignal): Promise<Duplex> {
    const args = domainArgs(id).optionalString(undefined).unsigned(consoleForce).toBuffer();
    try {
      return await this.#session.openStream(procedure.domainOpenConsole, args, { signal });
    } catch (error) {
      throw guestError(error, id);
    }
  }

  async agentCommand(id: string, execute: string, args?: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown> {
    const seconds = this.#options.agentTimeoutSeconds ?? 5;
    const command = JSON.stringify({ execute, ...(args === undefined ? {} : { arguments: args }) });
    const payload = domainArgs(id).string(command).int(seconds).unsigned(0).toBuffer();
    // Several commands of one guest wait for each other in libvirtd, so the answer may take more than one timeout.
    const options = { program: program.qemu, signal, timeoutMs: seconds * 4000 + 5000 };
    const reply = await this.#call('agent', qemuProcedure.agentCommand, payload, options, id);
    const answer = reply.optionalString();
    return answer === undefined ? undefined : (JSON.parse(answer) as { return?: unknown }).return;
  }

  watch(listener: (event: GuestEvent) => void): () => void {
    this.#listeners.add(listener);
    this.#session.watch();
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    await this.#session.close();
  }

  #probe(): Promise<'kvm' | 'tcg'> {
    this.#acceleration ??= this.#options.acceleration();
    this.#acceleration.catch(() => (this.#acceleration = undefined));
    return this.#acceleration;
  }

  async #state(id: string, signal?: AbortSignal): Promise<GuestState> {
    const reply = await this.#call('query', procedure.domainGetState, domainArgs(id).unsigned(0).toBuffer(), { signal }, id);
    const state = reply.int();
    const reason = reply.int();
    if (!isRunning(state)) return stoppedState(state, reason);
    const xml = await this.#call('query', procedure.domainGetXmlDesc, domainArgs(id).unsigned(0).toBuffer(), { signal }, id);
    return runningState(state, reason, xml.string());
  }

  async #domainDisks(id: string, signal?: AbortSignal): Promise<readonly DomainDisk[]> {
    await this.#running(id, signal);
    return disksOf((await this.#call('query', procedure.domainGetXmlDesc, domainArgs(id).unsigned(0).toBuffer(), { signal }, id)).string());
  }

  /** 0 for a guest that has ended. */
  async #cpuSeconds(id: string, signal?: AbortSignal): Promise<number> {
    const info = this.#call('query', procedure.domainGetInfo, domainArgs(id).toBuffer(), { signal }, id);
    return info.then(readCpuSeconds, (error: unknown) => (is(error, 'GuestNotFound') ? 0 : Promise.reject(error as GuestError)));
  }

  async #running(id: string, signal?: AbortSignal): Promise<Extract<GuestState, { phase: 'running' }>> {
    const state = await this.#state(id, signal);
    if (state.phase !== 'running') throw new GuestError('GuestNotRunning', `${id} does not run; start it first`);
    return state;
  }

  async #call(lane: Lane, number: number, args: Buffer, options: CallOptions = {}, guest?: string): Promise<XdrReader> {
    try {
      return await this.#session.call(lane, number, args, options);
    } catch (error) {
      throw guestError(error, guest);
    }
  }

  /** Ending what has ended or is unknown is no error. */
  async #unlessEnded(call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (!is(error, 'GuestNotFound') && !(is(error, 'GuestNotRunning') && isOperationInvalid(error))) throw error;
    }
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function is(error: unknown, code: GuestError['code']): error is GuestError {
  return error instanceof GuestError && error.code === code;
}

/** libvirt has no cgroup controllers, as in a container without them. */
function lacksCgroup(error: unknown): boolean {
  return error instanceof GuestError && /cgroup \S+ is required|[Cc]group .*(isn't mounted|not available|not mounted)/.test(error.message);
}

function isOperationInvalid(error: GuestError): boolean {
  return error.cause instanceof RemoteError && error.cause.libvirtCode === libvirtCode.operationInvalid;
}
