import { initActions } from './init-actions.ts';
import type { ContainerKill, KillReason, ProbeVerdicts } from './kills.ts';
import { definitionHash } from './labels.ts';
import { newestOf, usableSandbox, type ObservedContainer, type ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import type { Resizes } from './resizes.ts';
import { isToBeStarted, restartPolicyOf } from './restart.ts';

/** What has to be done so that the pod is as its definition says. */
export interface PodActions {
  /** All containers and the sandbox end. */
  readonly killPod: boolean;
  readonly createSandbox: boolean;
  /** Of the sandbox that is used or made. */
  readonly attempt: number;
  readonly kill: readonly ContainerKill[];
  readonly startEphemeral: readonly ContainerSpec[];
  readonly startInit: readonly ContainerSpec[];
  readonly start: readonly ContainerSpec[];
}

const NONE = { killPod: false, createSandbox: false, kill: [], startEphemeral: [], startInit: [], start: [] };

/** The kubelet's decisions for a pod that is to run. */
export function podActions(pod: PodManifest, observed: ObservedPod, probes: ProbeVerdicts, resizes: Pick<Resizes, 'changeOf'>): PodActions {
  const sandbox = usableSandbox(observed);
  const attempt = observed.sandboxes[0]?.attempt ?? 0;
  if (sandbox === undefined) return withNewSandbox(pod, observed, observed.sandboxes.length === 0 ? 0 : attempt + 1);
  const startEphemeral = (pod.spec.ephemeralContainers ?? []).filter(({ name }) => newestOf(observed, name) === undefined);
  const init = initActions(pod, observed, probes);
  const begun = { ...NONE, attempt, startEphemeral, startInit: init.start, kill: init.kill };
  if (init.failed) return { ...begun, killPod: true, startInit: [] };
  if (!init.initialized) return begun;
  return { ...begun, ...mainActions(pod, observed, probes, resizes, begun) };
}

/** Everything begins anew in a new sandbox, unless there is nothing left to run. */
function withNewSandbox(pod: PodManifest, observed: ObservedPod, attempt: number): PodActions {
  const { initContainers = [], containers } = pod.spec;
  const policy = restartPolicyOf(pod);
  const killed = { ...NONE, killPod: true, attempt };
  if (policy === 'Never' && attempt !== 0 && observed.containers.length > 0) return killed;
  const start = containers.filter(({ name }) => policy !== 'OnFailure' || !hasSucceeded(newestOf(observed, name)));
  const wasInitialized = containers.some(({ name }) => !['UNKNOWN', undefined].includes(newestOf(observed, name)?.state));
  if (start.length === 0 && wasInitialized) return killed;
  const [first] = initContainers;
  return { ...killed, createSandbox: true, ...(first === undefined ? { start } : { startInit: [first] }) };
}

function mainActions(pod: PodManifest, observed: ObservedPod, probes: ProbeVerdicts, resizes: Pick<Resizes, 'changeOf'>, { kill: killed }: Pick<PodActions, 'kill'>): Partial<PodActions> {
  const start: ContainerSpec[] = [];
  const kill: ContainerKill[] = [...killed];
  let kept = 0;
  for (const spec of pod.spec.containers) {
    const container = newestOf(observed, spec.name);
    if (container?.state !== 'RUNNING') {
      if (!isToBeStarted(spec, pod, observed)) continue;
      start.push(spec);
      if (container?.state === 'UNKNOWN') kill.push({ container, spec, reason: 'other', message: 'Container is in "unknown" state, try killing it before restart' });
      continue;
    }
    const flaw = flawOf(spec, container, probes);
    if (flaw === undefined && resizes.changeOf(container.id, spec) === 'restart') {
      start.push(spec);
      kill.push({ container, spec, reason: 'other', message: `Container ${spec.name} resize requires restart` });
      continue;
    }
    if (flaw === undefined) {
      kept += 1;
      continue;
    }
    const again = flaw.changed || restartPolicyOf(pod) !== 'Never';
    if (again) start.push(spec);
    kill.push({ container, spec, reason: flaw.reason, message: again ? `${flaw.message}, will be restarted` : flaw.message });
  }
  return kept === 0 && start.length === 0 ? { killPod: true, startInit: [], kill } : { start, kill };
}

/** Why a container that runs has to end. */
function flawOf(spec: ContainerSpec, { id, hash }: ObservedContainer, probes: ProbeVerdicts): { readonly message: string; readonly reason: KillReason; readonly changed: boolean } | undefined {
  if (hash !== definitionHash(spec)) return { message: `Container ${spec.name} definition changed`, reason: 'other', changed: true };
  if (probes.liveness(id) === false) return { message: `Container ${spec.name} failed liveness probe`, reason: 'liveness', changed: false };
  if (probes.startup(id) === false) return { message: `Container ${spec.name} failed startup probe`, reason: 'startup', changed: false };
  return undefined;
}

function hasSucceeded(container: ObservedContainer | undefined): boolean {
  return container?.state === 'EXITED' && container.exitCode === 0;
}
