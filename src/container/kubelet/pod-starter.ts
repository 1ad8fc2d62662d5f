import { messageOf } from '../../base/errors.ts';
import type { SandboxConfig } from '../cri.ts';
import { podActions, type PodActions } from './actions.ts';
import type { ContainerKiller } from './container-killer.ts';
import { isSilence, type ContainerStarter } from './container-starter.ts';
import type { WaitingReason } from './container-statuses.ts';
import { goDuration, type CrashBackoff } from './crash-backoff.ts';
import type { Gate } from './gate.ts';
import { definitionHash, describePod } from './labels.ts';
import { linuxResources } from './linux-resources.ts';
import type { PodMaterials } from './materials/port.ts';
import { newestOf, usableSandbox, type ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import type { PodProbes } from './pod-probes.ts';
import { KubeletError, type KubeletContext } from './port.ts';
import type { Resizes } from './resizes.ts';
import { isSidecar } from './restart.ts';
import { sandboxConfigOf } from './sandbox-config.ts';
import type { StepSignals } from './step-loop.ts';

export interface PodStarterOptions {
  readonly context: KubeletContext;
  readonly materials: PodMaterials;
  readonly killer: ContainerKiller;
  readonly starter: ContainerStarter;
  readonly gate: Gate;
}

/** What is remembered of a pod between two looks at it. */
export interface PodMemory {
  readonly backoff: CrashBackoff;
  readonly probes: PodProbes;
  readonly resizes: Resizes;
  /** Why containers could not be started. */
  readonly reasons: Map<string, WaitingReason>;
  /** When containers that could not be started are tried again, in milliseconds since the epoch. */
  readonly notBefore: Map<string, number>;
}

/** Whether something was done, and when to look again at the latest, in milliseconds; undefined: when something changes. */
export interface Progress {
  readonly acted: boolean;
  readonly againMs: number | undefined;
}

/** After a failure that nobody will tell us the end of. */
const RETRY_MS = 10_000;
const SOON_MS = 1000;
/** What is tried again too soon is held back where crashes and pulls are counted, with a reason of its own. */
const HELD_BACK = new Set(['RunContainerError', 'PostStartHookError', 'ErrImagePull']);

interface UsedSandbox {
  readonly id: string;
  readonly address: string;
  readonly config: SandboxConfig;
}

/** Takes a pod that is to run one step further. */
export class PodStarter {
  readonly #options: PodStarterOptions;

  constructor(options: PodStarterOptions) {
    this.#options = options;
  }

  /** Rejects when the pod as a whole could not be taken further. */
  async advance(pod: PodManifest, observed: ObservedPod, memory: PodMemory, signals: StepSignals): Promise<Progress> {
    const actions = podActions(pod, observed, memory.probes, memory.resizes);
    await this.#kill(pod, observed, actions, signals.interrupt);
    if (actions.killPod && !actions.createSandbox) return { acted: true, againMs: undefined };
    const hasResized = await this.#resize(pod, observed, actions, memory.resizes, signals.signal);
    const wanted = [...actions.startEphemeral, ...actions.startInit, ...actions.start];
    if (!actions.createSandbox && wanted.length === 0) return { acted: hasResized || actions.kill.length > 0, againMs: undefined };
    // What containers have made of their folders is theirs as long as the sandbox lives.
    await this.#ensureVolumes(actions.createSandbox ? pod : withVolumesFromApi(pod), signals);
    const sandbox = actions.createSandbox ? await this.#newSandbox(pod, observed, actions, signals) : this.#presentSandbox(pod, observed, actions);
    const againMs = await this.#start(pod, observed, actions, sandbox, memory, signals);
    return { acted: true, againMs };
  }

  async #kill(pod: PodManifest, observed: ObservedPod, { killPod, createSandbox, kill }: PodActions, signal: AbortSignal): Promise<void> {
    const { killer, context: { cri } } = this.#options;
    const address = observed.sandboxes[0]?.address ?? '';
    if (!killPod) {
      await Promise.all(kill.map(({ container: { id }, spec, message, reason }) => killer.kill({ pod, container: spec, id, address, message, reason }, signal)));
      return;
    }
    if (createSandbox && observed.sandboxes.length > 0) this.#event(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    await killer.killPod(pod, observed, signal);
    if (!createSandbox) return;
    // A new sandbox begins with the first init container again.
    const init = new Set((pod.spec.initContainers ?? []).map(({ name }) => name));
    for (const { id, name } of observed.containers) if (init.has(name)) await cri.removeContainer(id, signal);
  }

  /** Gives containers that go on what their definition says by now. Whether there were such. */
  async #resize(pod: PodManifest, observed: ObservedPod, { createSandbox, kill }: PodActions, resizes: Resizes, signal: AbortSignal): Promise<boolean> {
    if (createSandbox) return false;
    const { cri, settings, log } = this.#options.context;
    let resized = 0;
    for (const spec of [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]) {
      const container = newestOf(observed, spec.name);
      if (container?.state !== 'RUNNING' || kill.some((killed) => killed.container.id === container.id) || resizes.changeOf(container.id, spec) !== 'update') continue;
      try {
        await cri.updateResources(container.id, linuxResources(pod, spec, settings), signal);
        resizes.done(container.id, spec);
        resized += 1;
      } catch (error) {
        // A limit below what is in use, say: the status goes on to tell what the container has.
        log.debug({ pod: pod.metadata.name, container: spec.name, error: messageOf(error) }, 'the container keeps the resources that it has');
      }
    }
    if (resized > 0) this.#event(pod, 'Normal', 'ResizeCompleted', `Pod resize completed: ${resourcesText(pod)}`);
    return resized > 0;
  }

  async #ensureVolumes(pod: PodManifest, { interrupt }: StepSignals): Promise<void> {
    const { materials, gate } = this.#options;
    try {
      await gate.run(() => materials.ensureVolumes(pod, interrupt), interrupt);
    } catch (error) {
      interrupt.throwIfAborted();
      if (!isSilence(error)) this.#event(pod, 'Warning', 'FailedMount', messageOf(error));
      throw error;
    }
  }

  async #newSandbox(pod: PodManifest, observed: ObservedPod, { attempt }: PodActions, { signal }: StepSignals): Promise<UsedSandbox> {
    const { context: { cri, addresses }, gate } = this.#options;
    try {
      return await gate.run(async () => {
        const address = await addresses.assign(pod, signal);
        const config = this.#sandboxConfig(pod, attempt);
        const id = await cri.runSandbox(config, signal);
        return { id, address, config };
      }, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isSilence(error)) this.#event(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${messageOf(error)}`);
      throw error;
    }
  }

  #presentSandbox(pod: PodManifest, observed: ObservedPod, { attempt }: PodActions): UsedSandbox {
    const { id = '', address = '' } = usableSandbox(observed) ?? {};
    return { id, address, config: this.#sandboxConfig(pod, attempt) };
  }

  #sandboxConfig(pod: PodManifest, attempt: number): SandboxConfig {
    const { context: { files: { root }, settings }, materials } = this.#options;
    return sandboxConfigOf(pod, attempt, { root, settings, dns: materials.dnsOf(pod) });
  }

  /** One after the other, each with its postStart hook, as the kubelet does it. */
  async #start(pod: PodManifest, observed: ObservedPod, actions: PodActions, sandbox: UsedSandbox, memory: PodMemory, signals: StepSignals): Promise<number | undefined> {
    const waits: number[] = [];
    for (const container of actions.startEphemeral) waits.push(await this.#startOne(pod, container, observed, sandbox, memory, signals));
    for (const container of actions.startInit) {
      const wait = await this.#startOne(pod, container, observed, sandbox, memory, signals);
      waits.push(wait);
      if (wait > 0 && !isSidecar(container)) return Math.min(...waits.filter((ms) => ms > 0));
    }
    for (const container of actions.start) waits.push(await this.#startOne(pod, container, observed, sandbox, memory, signals));
    const later = waits.filter((ms) => ms > 0);
    return later.length === 0 ? undefined : Math.min(...later);
  }

  /** Milliseconds after which to try again; 0 when it was started. */
  async #startOne(pod: PodManifest, container: ContainerSpec, observed: ObservedPod, sandbox: UsedSandbox, memory: PodMemory, { interrupt, signal }: StepSignals): Promise<number> {
    interrupt.throwIfAborted();
    const { clock } = this.#options.context;
    const early = (memory.notBefore.get(container.name) ?? 0) - clock.now();
    const wait = early > 0 ? early : this.#backoff(pod, container, observed, memory);
    if (wait > 0) return wait;
    try {
      await this.#options.starter.start({ pod, container, observed, sandbox, interrupt, signal });
      memory.reasons.delete(container.name);
      return 0;
    } catch (error) {
      if (!(error instanceof KubeletError)) throw error;
      memory.reasons.set(container.name, { reason: error.code, message: error.message });
      if (HELD_BACK.has(error.code)) return SOON_MS;
      memory.notBefore.set(container.name, clock.now() + RETRY_MS);
      return RETRY_MS;
    }
  }

  #backoff(pod: PodManifest, container: ContainerSpec, observed: ObservedPod, { backoff, reasons }: PodMemory): number {
    const { clock } = this.#options.context;
    const exited = observed.containers.find(({ name, state }) => name === container.name && state === 'EXITED');
    if (exited === undefined) return 0;
    const key = `${container.name} ${definitionHash(container)}`;
    const now = clock.now();
    const delay = backoff.delayOf(key, exited.finishedAtMs, now);
    if (delay === undefined || delay.untilMs <= now) {
      backoff.count(key, exited.finishedAtMs, now);
      return 0;
    }
    if (reasons.get(container.name)?.reason !== 'CrashLoopBackOff') this.#event(pod, 'Warning', 'BackOff', `Back-off restarting failed container ${container.name} in pod ${describePod(pod)}`, container.name);
    reasons.set(container.name, { reason: 'CrashLoopBackOff', message: `back-off ${goDuration(delay.delayMs)} restarting failed container=${container.name} pod=${describePod(pod)}` });
    return delay.untilMs - now;
  }

  #event(pod: PodManifest, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    this.#options.context.event(pod, { type, reason, message, ...(container === undefined ? {} : { container }) });
  }
}

function resourcesText({ spec: { initContainers, containers } }: PodManifest): string {
  const of = (specs: readonly ContainerSpec[]): unknown => specs.map(({ name, resources = {} }) => ({ name, resources }));
  return JSON.stringify({ ...(initContainers === undefined ? {} : { initContainers: of(initContainers) }), containers: of(containers) });
}

/** The pod with those of its volumes alone that show what is in the API. */
export function withVolumesFromApi(pod: PodManifest): PodManifest {
  return { ...pod, spec: { ...pod.spec, volumes: (pod.spec.volumes ?? []).filter((volume) => volume['emptyDir'] === undefined) } };
}
