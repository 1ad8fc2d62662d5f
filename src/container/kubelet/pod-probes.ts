import { isDeleting } from '../../kube/object.ts';
import { messageOf } from '../../base/errors.ts';
import { ContainerError } from '../port.ts';
import { ProbeLoop } from '../probes/loop.ts';
import { probe as tryOnce } from '../probes/probe.ts';
import type { ProbeResult } from '../probes/target.ts';
import type { ProbeVerdicts } from './kills.ts';
import { actionOf } from './handlers.ts';
import { newestOf, type ObservedContainer, type ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest, ProbeSpec } from './pod.ts';
import type { KubeletContext } from './port.ts';

type Kind = 'startup' | 'liveness' | 'readiness';

const SPEC = { startup: 'startupProbe', liveness: 'livenessProbe', readiness: 'readinessProbe' } as const;
const TITLE = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' } as const;

interface Probed {
  readonly verdicts: Map<Kind, boolean>;
  readonly loops: Map<Kind, ProbeLoop>;
}

/** The probes of one pod's containers, and what they have found. */
export class PodProbes implements ProbeVerdicts, Disposable {
  readonly #context: KubeletContext;
  readonly #changed: () => void;
  readonly #probed = new Map<string, Probed>();

  /** `changed` is called when a verdict has. */
  constructor(context: KubeletContext, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
  }

  liveness(id: string): boolean | undefined {
    return this.#probed.get(id)?.verdicts.get('liveness');
  }

  startup(id: string): boolean | undefined {
    return this.#probed.get(id)?.verdicts.get('startup');
  }

  isStarted(container: ContainerSpec, id: string): boolean {
    return container.startupProbe === undefined || this.startup(id) === true;
  }

  isReady(container: ContainerSpec, id: string): boolean {
    return container.readinessProbe === undefined || this.#probed.get(id)?.verdicts.get('readiness') === true;
  }

  /** Begins and ends probes so that they are those of the containers that run. */
  sync(pod: PodManifest, observed: ObservedPod, address: string): void {
    const specs = [...(pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'), ...pod.spec.containers];
    const running = specs.flatMap((spec) => {
      const container = newestOf(observed, spec.name);
      return container?.state === 'RUNNING' ? [{ spec, container }] : [];
    });
    const ids = new Set(running.map(({ container }) => container.id));
    for (const [id, probed] of this.#probed) if (!ids.has(id)) this.#end(id, probed);
    for (const { spec, container } of running) this.#ensure(pod, spec, container, address);
  }

  /** Whoever is to end is not probed for whether it lives. */
  endLivenessAndStartup(): void {
    for (const { loops } of this.#probed.values()) {
      loops.get('liveness')?.[Symbol.dispose]();
      loops.get('startup')?.[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    for (const [id, probed] of this.#probed) this.#end(id, probed);
  }

  #end(id: string, { loops }: Probed): void {
    for (const loop of loops.values()) loop[Symbol.dispose]();
    this.#probed.delete(id);
  }

  #ensure(pod: PodManifest, spec: ContainerSpec, container: ObservedContainer, address: string): void {
    const { startupProbe, livenessProbe, readinessProbe } = spec;
    if (startupProbe === undefined && livenessProbe === undefined && readinessProbe === undefined) return;
    const probed = this.#probed.get(container.id) ?? { verdicts: verdictsBefore(pod, container.id), loops: new Map() };
    this.#probed.set(container.id, probed);
    if (isDeleting(pod)) return;
    const kinds: readonly Kind[] = this.isStarted(spec, container.id) ? ['liveness', 'readiness'] : ['startup'];
    for (const kind of kinds) {
      const probe = spec[SPEC[kind]];
      if (probe !== undefined && !probed.loops.has(kind)) probed.loops.set(kind, this.#begin(pod, spec, container, address, kind, probe, probed));
    }
  }

  #begin(pod: PodManifest, spec: ContainerSpec, { id, startedAtMs }: ObservedContainer, address: string, kind: Kind, probe: ProbeSpec, { verdicts, loops }: Probed): ProbeLoop {
    const { cri, clock, log } = this.#context;
    const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1, successThreshold = 1, failureThreshold = 3 } = probe;
    const unhealthy = (message: string): void => this.#context.event(pod, { type: 'Warning', reason: 'Unhealthy', message, container: spec.name });
    return new ProbeLoop({
      timing: { initialDelaySeconds, periodSeconds, timeoutSeconds, successThreshold, failureThreshold },
      startedAtMs,
      initially: kind === 'startup' ? undefined : kind === 'liveness' ? true : verdicts.get('readiness') ?? false,
      clock,
      log,
      probe: async (target) => {
        try {
          return await tryOnce(actionOf(probe, spec, id, cri), { ...target, host: address });
        } catch (error) {
          if (!target.signal.aborted) unhealthy(`${TITLE[kind]} probe errored and resulted in unknown state: ${errorText(error)}`);
          throw error;
        }
      },
      onTry: ({ ok, message }: ProbeResult) => {
        if (!ok) unhealthy(`${TITLE[kind]} probe failed: ${message}`);
      },
      onChange: ({ ok }) => {
        verdicts.set(kind, ok);
        // It is not asked again once it has started, or is to end.
        if (kind === 'startup' || (kind === 'liveness' && !ok)) loops.get(kind)?.[Symbol.dispose]();
        this.#changed();
      },
    });
  }
}

/** As the kubelet shows what its runtime says. */
function errorText(error: unknown): string {
  return error instanceof ContainerError ? `rpc error: code = ${error.code === 'RuntimeUnavailable' ? 'Unavailable' : 'Unknown'} desc = ${error.message}` : messageOf(error);
}

/** What was known of the container before this process began. */
function verdictsBefore({ status }: PodManifest, id: string): Map<Kind, boolean> {
  const before = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find(({ containerID }) => containerID?.endsWith(`://${id}`));
  const verdicts = new Map<Kind, boolean>();
  if (before?.started === true) verdicts.set('startup', true);
  if (before?.ready === true) verdicts.set('readiness', true);
  return verdicts;
}
