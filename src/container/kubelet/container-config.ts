import type { ContainerConfig, CriImage, CriMount } from '../cri.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import { linuxResources, type ResourceSettings } from './linux-resources.ts';
import { expand, lookupIn } from './materials/expand.ts';
import type { Environment } from './materials/port.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import { containerSecurity } from './security.ts';

export interface ContainerParts {
  readonly image: CriImage;
  readonly restartCount: number;
  readonly environment: Environment;
  readonly mounts: readonly CriMount[];
  readonly settings: ResourceSettings;
  /** Container whose processes it sees. */
  readonly target: string | undefined;
}

/** What the runtime is told of a container. */
export function containerConfigOf(pod: PodManifest, container: ContainerSpec, parts: ContainerParts): ContainerConfig {
  const { image, restartCount, environment, mounts, settings, target } = parts;
  const { name, command = [], args = [], workingDir = '', stdin = false, stdinOnce = false, tty = false } = container;
  const expanded = (words: readonly string[]): readonly string[] => words.map((word) => expand(word, lookupIn(environment)));
  return {
    metadata: { name, attempt: restartCount },
    image: image.id,
    userSpecifiedImage: container.image,
    command: expanded(command),
    args: expanded(args),
    workingDir,
    envs: environment,
    mounts,
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    logPath: `${name}/${restartCount}.log`,
    stdin,
    stdinOnce,
    tty,
    resources: linuxResources(pod, container, settings),
    security: containerSecurity(pod, container, image, target),
  };
}
