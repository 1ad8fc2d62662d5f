import { definitionHash } from './labels.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './observation.ts';
import type { ContainerSpec, PodManifest, PodManifestSpec } from './pod.ts';

/** Pods and what a runtime has of them, for tests. */
export function examplePod(spec: Partial<PodManifestSpec> = {}, more: Partial<Omit<PodManifest, 'spec'>> = {}): PodManifest {
  return {
    apiVersion: 'v1', kind: 'Pod',
    metadata: { name: 'pod', namespace: 'space', uid: 'uid', generation: 1 },
    spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [exampleSpec('main')], ...spec },
    ...more,
  };
}

export function exampleSpec(name: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return { name, image: 'image:1', ...more };
}

/** A container that runs; `name` and the number of its making are its id. */
export function exampleContainer(name: string, more: Partial<ObservedContainer> = {}): ObservedContainer {
  const restartCount = more.restartCount ?? 0;
  return {
    id: `${name}-${restartCount}`, sandbox: 'sandbox-0', name, state: 'RUNNING', createdAt: BigInt(restartCount), startedAtMs: 1000, finishedAtMs: 0, exitCode: 0, reason: '', message: '',
    image: 'image:1', imageRef: 'sha256:1', hash: definitionHash(exampleSpec(name)), restartCount, logPath: `/pods/uid/logs/${name}/${restartCount}.log`, ...more,
  };
}

export function exampleExit(name: string, exitCode: number, more: Partial<ObservedContainer> = {}): ObservedContainer {
  return exampleContainer(name, { state: 'EXITED', exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', finishedAtMs: 2000, ...more });
}

export function exampleSandbox(attempt = 0, more: Partial<ObservedSandbox> = {}): ObservedSandbox {
  return { id: `sandbox-${attempt}`, ready: true, attempt, createdAt: BigInt(attempt), address: '10.0.0.1', ...more };
}

/** Containers in a ready sandbox, the newest first. */
export function observedPod(...containers: readonly ObservedContainer[]): ObservedPod {
  return { uid: 'uid', sandboxes: [exampleSandbox()], containers };
}

export const nothingObserved: ObservedPod = { uid: 'uid', sandboxes: [], containers: [] };
