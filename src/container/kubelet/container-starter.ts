import { errnoOf, messageOf } from '../../base/errors.ts';
import type { CriMount, SandboxConfig } from '../cri.ts';
import { containerConfigOf } from './container-config.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { Gate } from './gate.ts';
import { runHook } from './hooks.ts';
import type { Environment, PodMaterials } from './materials/port.ts';
import { newestOf, type ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import { logFolder } from './pod-paths.ts';
import { KubeletError, type KubeletContext } from './port.ts';

export interface StartRequest {
  readonly pod: PodManifest;
  readonly container: ContainerSpec & { readonly targetContainerName?: string };
  readonly observed: ObservedPod;
  readonly sandbox: { readonly id: string; readonly address: string; readonly config: SandboxConfig };
  /** Ends what may be given up in the middle. */
  readonly interrupt: AbortSignal;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

export interface ContainerStarterOptions {
  readonly context: KubeletContext;
  readonly materials: PodMaterials;
  readonly killer: ContainerKiller;
  readonly gate: Gate;
}

/** Makes a container and starts it, with the kubelet's steps, events and reasons. */
export class ContainerStarter {
  readonly #options: ContainerStarterOptions;

  constructor(options: ContainerStarterOptions) {
    this.#options = options;
  }

  /** Rejects with a KubeletError whose code is the reason that the container's waiting state shows. */
  async start(request: StartRequest): Promise<void> {
    const { context: { cri }, gate, materials } = this.#options;
    const { pod, container, sandbox, interrupt, signal } = request;
    const { image } = await this.#step(request, 'ErrImagePull', () => materials.ensureImage(pod, container, sandbox.config, interrupt));
    const id = await gate.run(async () => {
      const config = await this.#step(request, 'CreateContainerConfigError', async () => this.#configOf(request, image));
      await this.#removeUnstarted(request);
      const id = await this.#step(request, 'CreateContainerError', () => cri.createContainer(sandbox.id, config, sandbox.config, signal));
      this.#event(request, 'Normal', 'Created', `Created container: ${container.name}`);
      await this.#step(request, 'RunContainerError', () => cri.startContainer(id, signal));
      this.#event(request, 'Normal', 'Started', `Started container ${container.name}`);
      return id;
    }, signal);
    if (container.lifecycle?.postStart !== undefined) await this.#postStart(request, id);
  }

  async #configOf({ pod, container, observed, sandbox: { address }, interrupt }: StartRequest, image: Awaited<ReturnType<PodMaterials['ensureImage']>>['image']): Promise<ReturnType<typeof containerConfigOf>> {
    const { context: { files, settings } } = this.#options;
    const { uid = '' } = pod.metadata;
    const target = container.targetContainerName === undefined || container.targetContainerName === '' ? undefined : newestOf(observed, container.targetContainerName);
    if (container.targetContainerName !== undefined && container.targetContainerName !== '' && target?.state !== 'RUNNING') throw new KubeletError('CreateContainerConfigError', `unable to find target container ${JSON.stringify(container.targetContainerName)}`);
    const [{ environment, mounts }, { restartCount, messages }] = await Promise.all([
      this.#surroundingsOf(pod, container, address, interrupt),
      this.#recordsOf(pod, container, observed, interrupt),
      files.makeFolder(logFolder(uid, container.name), { mode: 0o755 }, interrupt),
    ]);
    return containerConfigOf(pod, container, { image, restartCount, environment, mounts: [...mounts, ...messages], settings, target: target?.id });
  }

  async #surroundingsOf(pod: PodManifest, container: ContainerSpec, address: string, signal: AbortSignal): Promise<{ readonly environment: Environment; readonly mounts: readonly CriMount[] }> {
    const { materials } = this.#options;
    const environment = await materials.environmentOf(pod, container, address, signal);
    return { environment, mounts: await materials.mountsOf(pod, container, address, environment, signal) };
  }

  async #recordsOf(pod: PodManifest, container: ContainerSpec, observed: ObservedPod, signal: AbortSignal): Promise<{ readonly restartCount: number; readonly messages: readonly CriMount[] }> {
    const restartCount = await this.#restartCountOf(pod, container, observed, signal);
    if (container.terminationMessagePath === '') return { restartCount, messages: [] };
    return { restartCount, messages: [await this.#options.materials.terminationMount(pod, container, restartCount, signal)] };
  }

  /**
   * A container that was made and does not run, since whoever made it was killed before it could start it. The runtime
   * may still be about to start it and then refuses: that says nothing of the container, and is looked at again soon.
   */
  async #removeUnstarted({ container: { name }, observed, signal }: StartRequest): Promise<void> {
    const newest = newestOf(observed, name);
    if (newest?.state === 'CREATED') await this.#options.context.cri.removeContainer(newest.id, signal);
  }

  /** Where the runtime has forgotten the containers before this one, their logs and the API still know of them. */
  async #restartCountOf({ metadata: { uid = '' }, status }: PodManifest, { name }: ContainerSpec, observed: ObservedPod, signal: AbortSignal): Promise<number> {
    const newest = newestOf(observed, name);
    // Also after one that is not known to have run, as with a kubelet: a runtime that was killed in between may have run it.
    if (newest !== undefined) return newest.restartCount + 1;
    const logs = await this.#options.context.files.list(logFolder(uid, name), signal);
    const fromLogs = logs.map((file) => Number(/^(\d+)\.log/.exec(file)?.[1] ?? -1) + 1);
    const reports = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
    const report = reports.find((candidate) => candidate.name === name);
    const fromApi = report?.containerID === undefined ? report?.restartCount ?? 0 : report.restartCount + 1;
    return Math.max(0, fromApi, ...fromLogs);
  }

  async #postStart(request: StartRequest, id: string): Promise<void> {
    const { pod, container, sandbox: { address }, interrupt, signal } = request;
    const { context, killer } = this.#options;
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    try {
      await runHook(hook, context, { pod, id, container, address, signal: interrupt });
    } catch (error) {
      interrupt.throwIfAborted();
      this.#event(request, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
      await killer.kill({ pod, container, id, address, message: 'FailedPostStartHook' }, signal);
      throw new KubeletError('PostStartHookError', messageOf(error), { cause: error });
    }
  }

  /** What fails here gets the reason, unless it has one; what the runtime's silence makes fail says nothing of the container. */
  async #step<T>(request: StartRequest, code: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      request.interrupt.throwIfAborted();
      if (isSilence(error)) throw error;
      const known = error instanceof KubeletError ? error : new KubeletError(code, messageOf(error), { cause: error });
      // Of a failed pull all has been said.
      if (known.code !== 'ErrImagePull') this.#event(request, 'Warning', 'Failed', `Error: ${IMAGE_CODES.has(known.code) ? known.code : known.message}`);
      throw known;
    }
  }

  #event({ pod, container }: StartRequest, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.context.event(pod, { type, reason, message, container: container.name });
  }
}

/** The way to the machine is down: nothing is known of the container. */
export function isSilence(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'RuntimeUnavailable' || code === 'LinkDown' || (error instanceof Error && error.cause !== undefined && isSilence(error.cause));
}

const IMAGE_CODES = new Set(['ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName']);
