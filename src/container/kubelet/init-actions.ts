import type { ContainerKill, KillReason, ProbeVerdicts } from './kills.ts';
import { definitionHash } from './labels.ts';
import { newestOf, type ObservedContainer, type ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import { isSidecar, restartPolicyOf } from './restart.ts';

export interface InitActions {
  /** All init containers are done, so that the main ones may run. */
  readonly initialized: boolean;
  /** One has failed and is not to be tried again: so has the pod. */
  readonly failed: boolean;
  readonly start: readonly ContainerSpec[];
  readonly kill: readonly ContainerKill[];
}

/** What one init container says. `passed`: the next one may be started. */
interface Step {
  readonly passed?: boolean;
  readonly failed?: boolean;
  readonly start?: boolean;
  readonly kill?: { readonly message: string; readonly reason: KillReason };
}

/**
 * Init containers run one after the other. They are looked at from the last to the first: what an init container has
 * left may be gone, so the last one that is known tells how far the pod has come.
 */
export function initActions(pod: PodManifest, observed: ObservedPod, probes: ProbeVerdicts): InitActions {
  const specs = pod.spec.initContainers ?? [];
  const mainExists = pod.spec.containers.some(({ name }) => ['CREATED', 'RUNNING'].includes(newestOf(observed, name)?.state ?? ''));
  if (specs.length === 0) return { initialized: true, failed: false, start: [], kill: [] };
  const start = new Set<ContainerSpec>();
  const kill: ContainerKill[] = [];
  let [initialized, reached] = [mainExists, mainExists];
  for (const [index, spec] of [...specs.entries()].toReversed()) {
    const container = newestOf(observed, spec.name);
    if (container === undefined) {
      if (reached && isSidecar(spec)) start.add(spec);
      continue;
    }
    // A later one has begun, or the main ones have: this one is done.
    if (reached && !isSidecar(spec)) continue;
    const step = isSidecar(spec) ? sidecarStep(spec, container, probes) : initStep(pod, container);
    if (step.failed === true) return { initialized: false, failed: true, start: [], kill };
    if (step.start === true) start.add(spec);
    if (step.kill !== undefined) kill.push({ container, spec, ...step.kill });
    const next = specs[index + 1];
    if (step.passed === true && next === undefined) initialized = true;
    else if (step.passed === true && next !== undefined && !reached) start.add(next);
    reached = true;
  }
  const [first] = specs;
  if (!reached && first !== undefined) start.add(first);
  return { initialized, failed: false, start: specs.filter((spec) => start.has(spec)), kill };
}

function initStep(pod: PodManifest, container: ObservedContainer): Step {
  switch (container.state) {
    case 'RUNNING':
      return {};
    case 'CREATED':
      return { start: true };
    case 'EXITED':
      if (container.exitCode === 0) return { passed: true };
      return restartPolicyOf(pod) === 'Never' ? { failed: true } : { start: true };
    case 'UNKNOWN':
      return restartPolicyOf(pod) === 'Never' ? { failed: true } : { start: true, kill: unknown };
  }
}

const unknown = { message: 'Init container is in "unknown" state, try killing it before restart', reason: 'other' } as const;

function sidecarStep(spec: ContainerSpec, container: ObservedContainer, probes: ProbeVerdicts): Step {
  if (container.state === 'UNKNOWN') return { start: true, kill: unknown };
  if (container.state !== 'RUNNING') return { start: true };
  if (spec.startupProbe !== undefined) {
    const startup = probes.startup(container.id);
    if (startup === false) return { start: true, kill: { message: `Init container ${spec.name} failed startup probe`, reason: 'startup' } };
    if (startup === undefined) return {};
  }
  if (container.hash !== definitionHash(spec)) return { passed: true, start: true, kill: { message: `Init container ${spec.name} definition changed`, reason: 'other' } };
  if (probes.liveness(container.id) === false) return { passed: true, start: true, kill: { message: `Init container ${spec.name} failed liveness probe`, reason: 'liveness' } };
  return { passed: true };
}
