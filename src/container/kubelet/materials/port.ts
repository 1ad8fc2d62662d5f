import type { CriImage, CriMount, SandboxConfig } from '../../cri.ts';
import type { ContainerSpec, PodManifest } from '../pod.ts';

/** Environment of a container, in order; later entries win. */
export type Environment = readonly { readonly key: string; readonly value: string }[];

/** Why this node does not run a pod, in the words of the pod's status. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** What a pod's containers are made of. Calls may be repeated; what cannot be had now rejects with a KubeletError. */
export interface PodMaterials {
  /** Undefined when this node runs the pod. */
  refusalOf(pod: PodManifest): Refusal | undefined;
  /** All volumes made and filled, and brought up to date with what they come from. Rejects with code FailedMount. */
  ensureVolumes(pod: PodManifest, signal: AbortSignal): Promise<void>;
  /** Code CreateContainerConfigError, in the kubelet's words. */
  environmentOf(pod: PodManifest, container: ContainerSpec, address: string, signal: AbortSignal): Promise<Environment>;
  /** Volumes and /etc/hosts of one container; what is to be there exists afterwards. */
  mountsOf(pod: PodManifest, container: ContainerSpec, address: string, environment: Environment, signal: AbortSignal): Promise<readonly CriMount[]>;
  /** The file that the container leaves its termination message in, for one of its attempts; it exists afterwards. */
  terminationMount(pod: PodManifest, container: ContainerSpec, attempt: number, signal: AbortSignal): Promise<CriMount>;
  /** Codes ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName; events are recorded here. */
  ensureImage(pod: PodManifest, container: ContainerSpec, sandbox: SandboxConfig, signal: AbortSignal): Promise<{ readonly reference: string; readonly image: CriImage }>;
  dnsOf(pod: PodManifest): SandboxConfig['dns'];
  /** Path of that file, for PodFiles. */
  terminationLogOf(podUid: string, container: string, attempt: number): string;
  /** Everything of the pod's files. */
  removeVolumes(podUid: string, signal: AbortSignal): Promise<void>;
  /** Nothing is remembered of the pod. */
  forget(podUid: string): void;
}
