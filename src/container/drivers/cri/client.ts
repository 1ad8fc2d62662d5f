import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import type {
  ContainerConfig, ContainerStats, Cri, CriCondition, CriContainer, CriContainerState, CriContainerStatus, CriImage, ExecRequest, LinuxResources, RegistryAuth, Sandbox, SandboxConfig, SandboxStatus,
} from '../../cri.ts';
import { ContainerError } from '../../port.ts';
import { containerConfig, resourcesMessage, sandboxConfig } from './requests.ts';
import { criMethods, type CriMethod } from './protocol.ts';
import { RuntimeEvents } from './runtime-events.ts';

export interface CriClientOptions {
  /** Path of the runtime's unix socket. */
  readonly socket: string;
}

const LONGEST_MESSAGE = 32 * 1024 * 1024;
const CHANNEL = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 1000, 'grpc.max_receive_message_length': LONGEST_MESSAGE };
const CALL_MS = 120_000;
/** As a kubelet has it: its network takes a part of the time of a sandbox. */
const SANDBOX_MS = 2 * CALL_MS;
const PULL_MS = 30 * 60_000;
/** Exits are told of each command that was run in a container, too; a task is deleted once its own process has ended. */
const EVENTS = ['topic=="/tasks/delete"', 'topic=="/containers/delete"'];

/** What the runtime says of a call, without the words of gRPC: it ends up in statuses of pods. */
class CallError extends ContainerError {
  readonly status: status;

  constructor(code: status, details: string) {
    super(code === status.UNAVAILABLE ? 'RuntimeUnavailable' : code === status.DEADLINE_EXCEEDED ? 'RuntimeTimeout' : 'RuntimeError', details);
    this.status = code;
  }
}

interface Answer {
  // Whatever protobuf gives: read field by field below.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly [field: string]: any;
}

/** A container runtime spoken to over all of the CRI (runtime.v1). */
export class CriClient implements Cri {
  readonly #client: Client;
  readonly #methods = criMethods();
  readonly #events: RuntimeEvents;

  constructor(options: CriClientOptions) {
    this.#client = new Client(`unix://${options.socket}`, credentials.createInsecure(), CHANNEL);
    this.#events = new RuntimeEvents(this.#client, EVENTS);
  }

  async version(signal?: AbortSignal): Promise<{ readonly runtimeName: string; readonly runtimeVersion: string }> {
    const { runtimeName, runtimeVersion } = await this.#call('Version', {}, signal);
    return { runtimeName, runtimeVersion };
  }

  async status(signal?: AbortSignal): Promise<readonly CriCondition[]> {
    return (await this.#call('Status', {}, signal))['status']?.conditions ?? [];
  }

  async runSandbox(config: SandboxConfig, signal?: AbortSignal): Promise<string> {
    return (await this.#call('RunPodSandbox', { config: sandboxConfig(config) }, signal, SANDBOX_MS))['podSandboxId'];
  }

  async stopSandbox(id: string, signal?: AbortSignal): Promise<void> {
    await this.#known('StopPodSandbox', { podSandboxId: id }, signal);
  }

  async removeSandbox(id: string, signal?: AbortSignal): Promise<void> {
    await this.#known('RemovePodSandbox', { podSandboxId: id }, signal);
  }

  async listSandboxes(signal?: AbortSignal): Promise<readonly Sandbox[]> {
    return (await this.#call('ListPodSandbox', {}, signal))['items'].map(sandboxOf);
  }

  async sandboxStatus(id: string, signal?: AbortSignal): Promise<SandboxStatus | undefined> {
    const answer = await this.#known('PodSandboxStatus', { podSandboxId: id, verbose: true }, signal);
    if (answer === undefined || answer['status'] === null) return undefined;
    const sandbox = sandboxOf(answer['status']);
    return { ...sandbox, address: answer['status'].network?.ip ?? '', pid: sandbox.ready ? pidOf(answer['info']?.info) : undefined };
  }

  async createContainer(sandbox: string, config: ContainerConfig, sandboxOfIt: SandboxConfig, signal?: AbortSignal): Promise<string> {
    return (await this.#call('CreateContainer', { podSandboxId: sandbox, config: containerConfig(config), sandboxConfig: sandboxConfig(sandboxOfIt) }, signal))['containerId'];
  }

  async startContainer(id: string, signal?: AbortSignal): Promise<void> {
    await this.#call('StartContainer', { containerId: id }, signal);
  }

  async stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    await this.#known('StopContainer', { containerId: id, timeout: timeoutSeconds }, signal, timeoutSeconds * 1000 + CALL_MS);
  }

  async removeContainer(id: string, signal?: AbortSignal): Promise<void> {
    await this.#known('RemoveContainer', { containerId: id }, signal);
  }

  async listContainers(signal?: AbortSignal): Promise<readonly CriContainer[]> {
    return (await this.#call('ListContainers', {}, signal))['containers'].map((container: Answer) => ({ ...commonOf(container), sandbox: container['podSandboxId'] }));
  }

  async containerStatus(id: string, signal?: AbortSignal): Promise<CriContainerStatus | undefined> {
    const found = (await this.#known('ContainerStatus', { containerId: id }, signal))?.['status'];
    if (found === undefined || found === null) return undefined;
    const { startedAt, finishedAt, exitCode, reason, message, logPath } = found;
    return { ...commonOf(found), startedAt: BigInt(startedAt), finishedAt: BigInt(finishedAt), exitCode, reason, message, logPath };
  }

  async updateResources(id: string, resources: LinuxResources, signal?: AbortSignal): Promise<void> {
    await this.#call('UpdateContainerResources', { containerId: id, linux: resourcesMessage(resources) }, signal);
  }

  async reopenLog(id: string, signal?: AbortSignal): Promise<void> {
    await this.#call('ReopenContainerLog', { containerId: id }, signal);
  }

  async execSync(id: string, command: readonly string[], timeoutSeconds: number, signal?: AbortSignal): Promise<{ readonly stdout: Buffer; readonly stderr: Buffer; readonly exitCode: number }> {
    const { stdout, stderr, exitCode } = await this.#call('ExecSync', { containerId: id, cmd: command, timeout: timeoutSeconds }, signal, timeoutSeconds === 0 ? CALL_MS : timeoutSeconds * 1000 + 5000);
    return { stdout, stderr, exitCode };
  }

  async exec({ container, command, ...streams }: ExecRequest, signal?: AbortSignal): Promise<string> {
    return (await this.#call('Exec', { containerId: container, cmd: command, ...streams }, signal))['url'];
  }

  async attach({ container, ...streams }: Omit<ExecRequest, 'command'>, signal?: AbortSignal): Promise<string> {
    return (await this.#call('Attach', { containerId: container, ...streams }, signal))['url'];
  }

  async portForward(sandbox: string, ports: readonly number[], signal?: AbortSignal): Promise<string> {
    return (await this.#call('PortForward', { podSandboxId: sandbox, port: ports }, signal))['url'];
  }

  async listStats(signal?: AbortSignal): Promise<readonly ContainerStats[]> {
    return (await this.#call('ListContainerStats', {}, signal))['stats'].map(statsOf);
  }

  async imageStatus(image: string, signal?: AbortSignal): Promise<CriImage | undefined> {
    const found = (await this.#known('ImageStatus', { image: { image } }, signal))?.['image'];
    return found === undefined || found === null ? undefined : imageOf(found);
  }

  async listImages(signal?: AbortSignal): Promise<readonly CriImage[]> {
    return (await this.#call('ListImages', {}, signal))['images'].map(imageOf);
  }

  async pullImage(image: string, auth: RegistryAuth | undefined, sandbox: SandboxConfig | undefined, signal?: AbortSignal): Promise<string> {
    const request = { image: { image }, ...(auth === undefined ? {} : { auth }), ...(sandbox === undefined ? {} : { sandboxConfig: sandboxConfig(sandbox) }) };
    return (await this.#call('PullImage', request, signal, PULL_MS))['imageRef'];
  }

  async removeImage(image: string, signal?: AbortSignal): Promise<void> {
    await this.#known('RemoveImage', { image: { image } }, signal);
  }

  async imageUsedBytes(signal?: AbortSignal): Promise<number> {
    const { imageFilesystems } = await this.#call('ImageFsInfo', {}, signal);
    return (imageFilesystems as readonly Answer[]).reduce((sum, filesystem) => sum + Number(filesystem['usedBytes']?.value ?? 0), 0);
  }

  onChange(listener: () => void): () => void {
    return this.#events.listen(listener);
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
    this.#client.close();
  }

  /** The answer; undefined when the runtime does not know what it is asked about. */
  async #known(method: string, request: object, signal: AbortSignal | undefined, timeoutMs?: number): Promise<Answer | undefined> {
    try {
      return await this.#call(method, request, signal, timeoutMs);
    } catch (error) {
      if (error instanceof CallError && error.status === status.NOT_FOUND) return undefined;
      throw error;
    }
  }

  async #call(method: string, request: object, signal: AbortSignal | undefined, timeoutMs = CALL_MS): Promise<Answer> {
    signal?.throwIfAborted();
    const definition = this.#methods.get(method);
    if (definition === undefined) throw new ContainerError('RuntimeError', `${method} is no call of the CRI`);
    try {
      return await this.#send(definition, request, signal, timeoutMs);
    } catch (error) {
      signal?.throwIfAborted();
      const { code, details } = error as ServiceError;
      throw new CallError(code, details);
    }
  }

  #send({ path, requestSerialize, responseDeserialize }: CriMethod, request: object, signal: AbortSignal | undefined, timeoutMs: number): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const call = this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline: Date.now() + timeoutMs }, (error, answer) => {
      signal?.removeEventListener('abort', cancel);
      if (error === null) resolve(answer ?? {});
      else reject(error);
    });
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    return promise;
  }
}

function sandboxOf({ id, metadata, state, createdAt, labels, annotations }: Answer): Sandbox {
  return { id, metadata, ready: state === 'SANDBOX_READY', createdAt: BigInt(createdAt), labels, annotations };
}

function commonOf({ id, metadata, state, createdAt, image, imageRef, labels, annotations }: Answer): Omit<CriContainer, 'sandbox'> {
  return { id, metadata, state: String(state).replace('CONTAINER_', '') as CriContainerState, createdAt: BigInt(createdAt), image: image?.image ?? '', imageRef, labels, annotations };
}

function statsOf({ attributes, cpu, memory, writableLayer }: Answer): ContainerStats {
  const value = (field: Answer | null | undefined): bigint => BigInt(field?.['value'] ?? 0);
  return {
    id: attributes.id,
    metadata: attributes.metadata,
    labels: attributes.labels,
    cpuNanoseconds: value(cpu?.usageCoreNanoSeconds),
    memoryWorkingSetBytes: value(memory?.workingSetBytes),
    memoryUsageBytes: value(memory?.usageBytes),
    memoryRssBytes: value(memory?.rssBytes),
    writableLayerBytes: value(writableLayer?.usedBytes),
    writableLayerInodes: value(writableLayer?.inodesUsed),
    timestamp: BigInt(cpu?.timestamp ?? 0),
  };
}

function imageOf({ id, repoTags, repoDigests, size, uid, username }: Answer): CriImage {
  const user = username !== '' ? { user: { name: username as string } } : uid === null ? {} : { user: { uid: Number(uid.value) } };
  return { id, repoTags, repoDigests, sizeBytes: BigInt(size), ...user };
}

/** The sandbox's process, which only containerd's own part of the answer tells. */
function pidOf(info: string | undefined): number | undefined {
  const { pid } = JSON.parse(info ?? '{}') as { readonly pid?: unknown };
  return typeof pid === 'number' && pid > 0 ? pid : undefined;
}
