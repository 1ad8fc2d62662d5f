import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerConfig, Cri, CriContainerState, CriContainerStatus, CriImage, Sandbox, SandboxConfig, SandboxStatus } from '../../src/container/cri.ts';
import { ContainerError } from '../../src/container/port.ts';

interface SimulatedContainer {
  readonly id: string;
  readonly sandbox: string;
  readonly config: ContainerConfig;
  readonly createdAt: bigint;
  state: CriContainerState;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
}

const image: CriImage = { id: 'sha256:image', repoTags: [], repoDigests: [], sizeBytes: 1n };

/** A container runtime in memory: containers run until they are ended. Everything that is asked of it beyond listing is noted. */
export class SimulatedCri implements Cri {
  readonly calls: string[] = [];
  /** Calls of these names fail. */
  readonly failing = new Set<string>();
  unreachable = false;
  /** Bytes of memory that containers of these names use. */
  readonly memory = new Map<string, number>();
  /** Names of containers that SIGTERM does not end. */
  readonly stubborn = new Set<string>();
  readonly #now: () => number;
  readonly #sandboxes = new Map<string, { readonly config: SandboxConfig; readonly createdAt: bigint; ready: boolean }>();
  readonly #containers = new Map<string, SimulatedContainer>();
  readonly #listeners = new Set<() => void>();
  #ids = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The process of the newest container of that name ends. */
  exit(name: string, exitCode: number): void {
    const container = [...this.#containers.values()].findLast(({ config, state }) => config.metadata.name === name && state === 'RUNNING');
    if (container !== undefined) this.#end(container, exitCode);
  }

  version(): ReturnType<Cri['version']> {
    return this.#answer('version', () => ({ runtimeName: 'simulated', runtimeVersion: '1' }));
  }

  status(): ReturnType<Cri['status']> {
    return this.#answer('status', () => []);
  }

  runSandbox(config: SandboxConfig): Promise<string> {
    return this.#act('runSandbox', config.metadata.name, () => {
      const id = `s${(this.#ids += 1)}`;
      this.#sandboxes.set(id, { config, createdAt: this.#time(), ready: true });
      return id;
    });
  }

  stopSandbox(id: string): Promise<void> {
    return this.#act('stopSandbox', id, () => {
      const sandbox = this.#sandboxes.get(id);
      if (sandbox !== undefined) sandbox.ready = false;
      for (const container of this.#containers.values()) if (container.sandbox === id && container.state === 'RUNNING') this.#end(container, 137);
    });
  }

  removeSandbox(id: string): Promise<void> {
    return this.#act('removeSandbox', id, () => void this.#sandboxes.delete(id));
  }

  listSandboxes(): Promise<readonly Sandbox[]> {
    return this.#answer('list', () => [...this.#sandboxes].map(([id, { config: { metadata, labels, annotations }, createdAt, ready }]) => ({ id, metadata, labels, annotations, createdAt, ready })));
  }

  async sandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    const sandbox = (await this.listSandboxes()).find((candidate) => candidate.id === id);
    return sandbox === undefined ? undefined : { ...sandbox, address: sandbox.ready ? '10.0.0.1' : '', pid: undefined };
  }

  createContainer(sandbox: string, config: ContainerConfig): Promise<string> {
    return this.#act('createContainer', config.metadata.name, () => {
      const id = `c${(this.#ids += 1)}`;
      this.#containers.set(id, { id, sandbox, config, createdAt: this.#time(), state: 'CREATED', startedAt: 0n, finishedAt: 0n, exitCode: 0 });
      return id;
    });
  }

  startContainer(id: string): Promise<void> {
    return this.#act('startContainer', id, () => {
      const container = this.#containers.get(id);
      if (container !== undefined) Object.assign(container, { state: 'RUNNING', startedAt: this.#time() });
    });
  }

  async stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    const container = this.#containers.get(id);
    const name = container?.config.metadata.name ?? '';
    await this.#act('stopContainer', `${name} ${timeoutSeconds}`, () => {});
    if (this.stubborn.has(name)) await delay(timeoutSeconds * 1000, undefined, signal === undefined ? {} : { signal });
    if (container?.state === 'RUNNING') this.#end(container, this.stubborn.has(name) ? 137 : 143);
  }

  /** The machine boots again with an empty runtime. */
  forgetAll(): void {
    this.#sandboxes.clear();
    this.#containers.clear();
  }

  removeContainer(id: string): Promise<void> {
    return this.#act('removeContainer', id, () => void this.#containers.delete(id));
  }

  listContainers(): ReturnType<Cri['listContainers']> {
    return this.#answer('list', () => [...this.#containers.values()].map((container) => ({ ...statusOf(container), sandbox: container.sandbox })));
  }

  containerStatus(id: string): Promise<CriContainerStatus | undefined> {
    return this.#answer('containerStatus', () => {
      const container = this.#containers.get(id);
      return container === undefined ? undefined : statusOf(container);
    });
  }

  execSync(id: string, command: readonly string[]): ReturnType<Cri['execSync']> {
    const [stdout, stderr] = [Buffer.alloc(0), Buffer.alloc(0)];
    return this.#act('execSync', `${this.#containers.get(id)?.config.metadata.name} ${command.join(' ')}`, () => ({ stdout, stderr, exitCode: command[0] === 'false' ? 1 : 0 }));
  }

  imageStatus(): Promise<CriImage | undefined> {
    return this.#answer('imageStatus', () => image);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  listStats(): ReturnType<Cri['listStats']> {
    return this.#answer('listStats', () => [...this.#containers.values()].filter(({ state }) => state === 'RUNNING').map(({ id, config: { metadata, labels } }) => {
      const memory = BigInt(this.memory.get(metadata.name) ?? 0);
      return { id, metadata, labels, cpuNanoseconds: 0n, memoryWorkingSetBytes: memory, memoryUsageBytes: memory, memoryRssBytes: memory, writableLayerBytes: 0n, writableLayerInodes: 0n, timestamp: this.#time() };
    }));
  }

  updateResources = unsupported;
  reopenLog = unsupported;
  exec = unsupported;
  attach = unsupported;
  portForward = unsupported;
  listImages = unsupported;
  pullImage = unsupported;
  removeImage = unsupported;
  imageUsedBytes = unsupported;

  [Symbol.dispose](): void {
    this.#listeners.clear();
  }

  /** Later than any before. */
  #time(): bigint {
    return BigInt(this.#now()) * 1_000_000n + BigInt((this.#ids += 1));
  }

  #end(container: SimulatedContainer, exitCode: number): void {
    Object.assign(container, { state: 'EXITED', exitCode, finishedAt: this.#time() });
    for (const listener of this.#listeners) listener();
  }

  #act<T>(name: string, about: string, work: () => T): Promise<T> {
    this.calls.push(`${name} ${about}`);
    return this.#answer(name, work);
  }

  async #answer<T>(name: string, work: () => T): Promise<T> {
    if (this.unreachable) throw new ContainerError('RuntimeUnavailable', 'nobody answers');
    if (this.failing.has(name)) throw new ContainerError('RuntimeError', `${name} fails`);
    return work();
  }
}

function unsupported(): Promise<never> {
  return Promise.reject(new ContainerError('RuntimeError', 'not simulated'));
}

function statusOf({ id, config, createdAt, state, startedAt, finishedAt, exitCode }: SimulatedContainer): CriContainerStatus {
  const { metadata, labels, annotations } = config;
  return { id, metadata, labels, annotations, state, createdAt, startedAt, finishedAt, exitCode, image: config.image, imageRef: image.id, reason: state !== 'EXITED' ? '' : exitCode === 0 ? 'Completed' : 'Error', message: '', logPath: '' };
}
