import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Duplex } from 'node:stream';
import { systemClock, type Clock } from '../../../base/clock.ts';
import { KeyedQueue } from '../../keyed-queue.ts';
import { GuestError, type Guest, type GuestDefinition, type GuestDisk, type GuestEvent, type GuestState, type GuestUsage, type Hypervisor, type HypervisorInfo, type LiveDisk } from '../../port.ts';

export interface SimulationOptions {
  readonly clock?: Clock;
  /** From the start call to a running guest, in milliseconds. Default 300. */
  readonly startMs?: number;
  /** From running to a connected agent. Default 3000. */
  readonly bootMs?: number;
  /** From the request to the guest's end. Default 500. */
  readonly shutdownMs?: number;
  /** Memory of this host; a guest that does not fit is refused with OutOfMemory. Default unlimited. */
  readonly memoryMiB?: number;
  /** Whether consoles are appended to their log files. Default true; thousands of guests rather go without. */
  readonly consoleLogs?: boolean;
}

type StopReason = Extract<GuestState, { phase: 'stopped' }>['reason'];

interface Simulated {
  definition: GuestDefinition;
  state: GuestState;
  /** Counts the runs; what was set to happen in an earlier run must not happen in a later one. */
  run: number;
  console: Duplex | undefined;
  /** Of disks that have grown, in bytes. */
  readonly sizes: Map<string, number>;
}

const gone: GuestState = { phase: 'absent' };

/** A host without guests: keeps the port's promises in memory, for tests of thousands of them. */
export class SimulatedHypervisor implements Hypervisor {
  readonly #options: SimulationOptions;
  readonly #clock: Clock;
  readonly #guests = new Map<string, Simulated>();
  readonly #listeners = new Set<(event: GuestEvent) => void>();
  readonly #turns = new KeyedQueue();
  #runs = 0;

  constructor(options: SimulationOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async info(): Promise<HypervisorInfo> {
    return { hypervisor: 'simulated', version: '1.0.0', acceleration: 'simulated' };
  }

  async list(signal?: AbortSignal): Promise<readonly Guest[]> {
    signal?.throwIfAborted();
    return [...this.#guests.values()].map(({ definition, state }) => ({ id: definition.id, name: definition.name, state }));
  }

  async get(id: string, signal?: AbortSignal): Promise<GuestState> {
    signal?.throwIfAborted();
    return this.#guests.get(id)?.state ?? gone;
  }

  /** Each guest keeps a tenth of one processor and all of its memory busy. */
  async usage(signal?: AbortSignal): Promise<readonly GuestUsage[]> {
    signal?.throwIfAborted();
    const now = this.#clock.now();
    return [...this.#guests.values()].flatMap(({ definition: { id, memoryMiB }, state }) => state.phase !== 'running' ? [] : [{
      id, cpuSeconds: (now - (state.startedAt ?? now)) / 10_000, memoryBytes: memoryMiB * 2 ** 20, diskReadBytes: 0, diskWrittenBytes: 0, networkReceivedBytes: 0, networkSentBytes: 0,
    }]);
  }

  start(guest: GuestDefinition, signal?: AbortSignal): Promise<void> {
    return this.#turns.run(guest.id, async () => {
      const known = this.#guests.get(guest.id);
      if (known?.state.phase === 'running') return;
      this.#admit(guest);
      await this.#clock.sleep(this.#options.startMs ?? 300, signal);
      const started: Simulated = { definition: guest, state: { phase: 'running', paused: false, agentConnected: false, startedAt: this.#clock.now() }, run: ++this.#runs, console: undefined, sizes: new Map() };
      this.#guests.set(guest.id, started);
      this.#boot(started);
      this.#emit({ id: guest.id, kind: 'lifecycle' });
    }, signal);
  }

  async shutdown(id: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const guest = this.#guests.get(id);
    if (guest?.state.phase !== 'running') return;
    this.#later(guest, this.#options.shutdownMs ?? 500, () => this.#stop(guest, 'shutdown'));
  }

  async destroy(id: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const guest = this.#guests.get(id);
    if (guest !== undefined) this.#stop(guest, 'destroyed');
  }

  remove(id: string, signal?: AbortSignal): Promise<void> {
    return this.#turns.run(id, async () => {
      await this.destroy(id, signal);
      if (this.#guests.delete(id)) this.#emit({ id, kind: 'lifecycle' });
    }, signal);
  }

  async pause(id: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#setPaused(id, true);
  }

  async resume(id: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#setPaused(id, false);
  }

  async reset(id: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const guest = this.#running(id);
    guest.run = ++this.#runs;
    this.#update(guest, { agentConnected: false }, 'agent');
    this.#boot(guest);
  }

  async setLink(id: string, macAddress: string, _up: boolean, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { interfaces } = this.#running(id).definition;
    if (!interfaces.some((nic) => nic.macAddress.toLowerCase() === macAddress.toLowerCase())) throw new GuestError('GuestRejected', `${id} has no interface ${macAddress}`, { disposition: 'stalled' });
  }

  async disks(id: string, signal?: AbortSignal): Promise<readonly LiveDisk[]> {
    signal?.throwIfAborted();
    const { definition, sizes } = this.#running(id);
    return definition.disks.filter(({ device }) => device === 'disk').map(({ name, path }) => ({ name, path, sizeBytes: sizes.get(name) ?? 0 }));
  }

  async attachDisk(id: string, disk: GuestDisk, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const guest = this.#running(id);
    if (!guest.definition.disks.some(({ name }) => name === disk.name)) guest.definition = { ...guest.definition, disks: [...guest.definition.disks, disk] };
  }

  async detachDisk(id: string, name: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const guest = this.#running(id);
    guest.definition = { ...guest.definition, disks: guest.definition.disks.filter((disk) => disk.name !== name) };
  }

  async resizeDisk(id: string, name: string, sizeBytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const guest = this.#running(id);
    if (!guest.definition.disks.some((disk) => disk.name === name)) throw new GuestError('GuestRejected', `${id} has no disk ${name}`, { disposition: 'stalled' });
    guest.sizes.set(name, sizeBytes);
  }

  async openConsole(id: string, signal?: AbortSignal): Promise<Duplex> {
    signal?.throwIfAborted();
    const guest = this.#running(id);
    guest.console?.destroy();
    const console = new Duplex({
      allowHalfOpen: false,
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#print(guest, echo(chunk.toString('utf8'))).then(() => done(), done);
      },
    });
    guest.console = console;
    return console;
  }

  async agentCommand(id: string, execute: string, _args?: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    const guest = this.#running(id);
    if (guest.state.phase !== 'running' || !guest.state.agentConnected || guest.state.paused) throw new GuestError('AgentNotConnected', `the guest agent of ${id} does not answer`, { disposition: 'wait' });
    if (execute === 'guest-info') return { version: '0.0.0', supported_commands: [] };
    if (execute === 'guest-get-host-name') return { 'host-name': guest.definition.hostname };
    return {};
  }

  watch(listener: (event: GuestEvent) => void): () => void {
    this.#listeners.add(listener);
    queueMicrotask(() => {
      if (this.#listeners.has(listener)) listener({ id: undefined, kind: 'resync' });
    });
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    for (const guest of this.#guests.values()) guest.console?.destroy();
    this.#guests.clear();
  }

  /** For tests: the guest's process dies. */
  crash(name: string): void {
    for (const guest of this.#guests.values()) if (guest.definition.name === name) this.#stop(guest, 'crashed');
  }

  /** For tests: the connection to the hypervisor was lost and found. */
  interrupt(): void {
    this.#emit({ id: undefined, kind: 'resync' });
  }

  /** For tests: a number that stays the same as long as the same run of the guest goes on. */
  runOf(name: string): number | undefined {
    for (const guest of this.#guests.values()) if (guest.definition.name === name && guest.state.phase === 'running') return guest.run;
    return undefined;
  }

  #admit(guest: GuestDefinition): void {
    const used = [...this.#guests.values()].reduce((sum, { definition, state }) => sum + (state.phase === 'running' ? definition.memoryMiB : 0), 0);
    if (used + guest.memoryMiB > (this.#options.memoryMiB ?? Number.POSITIVE_INFINITY)) throw new GuestError('OutOfMemory', `this host has not enough memory for ${guest.name}`, { disposition: 'retry' });
  }

  #boot(guest: Simulated): void {
    this.#later(guest, this.#options.bootMs ?? 3000, () => {
      this.#update(guest, { agentConnected: true }, 'agent');
      void this.#print(guest, `${guest.definition.hostname} login: `).catch(() => {});
    });
  }

  #setPaused(id: string, paused: boolean): void {
    const guest = this.#running(id);
    if (guest.state.phase === 'running' && guest.state.paused !== paused) this.#update(guest, { paused }, 'lifecycle');
  }

  #update(guest: Simulated, change: { readonly paused?: boolean; readonly agentConnected?: boolean }, kind: GuestEvent['kind']): void {
    if (guest.state.phase !== 'running') return;
    guest.state = { ...guest.state, ...change };
    this.#emit({ id: guest.definition.id, kind });
  }

  #stop(guest: Simulated, reason: StopReason): void {
    if (guest.state.phase !== 'running') return;
    guest.state = { phase: 'stopped', reason };
    guest.console?.destroy();
    guest.console = undefined;
    this.#emit({ id: guest.definition.id, kind: 'lifecycle' });
  }

  #later(guest: Simulated, ms: number, what: () => void): void {
    const { run } = guest;
    this.#clock.after(ms, () => {
      if (guest.run === run && guest.state.phase === 'running') what();
    });
  }

  #running(id: string): Simulated {
    const guest = this.#guests.get(id);
    if (guest === undefined) throw new GuestError('GuestNotFound', `${id} is not known on this host`);
    if (guest.state.phase !== 'running') throw new GuestError('GuestNotRunning', `${id} does not run; start it first`);
    return guest;
  }

  async #print(guest: Simulated, text: string): Promise<void> {
    const { console } = guest;
    if (this.#options.consoleLogs !== false) {
      await mkdir(dirname(guest.definition.consoleLogPath), { recursive: true });
      await appendFile(guest.definition.consoleLogPath, text);
    }
    console?.push(text);
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** What a terminal shows of a line that was typed, with sums of `$((a*b))` worked out as a shell would. */
function echo(typed: string): string {
  const output = /^echo (.*)$/m.exec(typed)?.[1];
  if (output === undefined) return typed;
  return `${typed}${output.replace(/\$\(\((\d+)\*(\d+)\)\)/g, (_all, a: string, b: string) => String(Number(a) * Number(b)))}\n`;
}
