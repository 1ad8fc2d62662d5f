import type { Clock } from '../../base/clock.ts';
import { YadoError, type ErrorOptions } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Node } from '../../kube/core.ts';
import type { Cri } from '../cri.ts';
import type { PodFiles } from '../pod-files.ts';
import type { NodeRoom } from './eviction/port.ts';
import type { PodManifest, PodStatusReport } from './pod.ts';

/** What pods refer to in the API, read with the node's own identity. `undefined`: it does not exist. */
export interface PodReferences {
  configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMapData | undefined>;
  secret(namespace: string, name: string, signal?: AbortSignal): Promise<SecretData | undefined>;
  /** A token bound to the pod. https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/ */
  serviceAccountToken(request: TokenRequest, signal?: AbortSignal): Promise<{ readonly token: string; readonly expiresAtMs: number }>;
  /** Services that pods of the namespace see in their environment: those of the namespace, and default/kubernetes. */
  services(namespace: string): readonly ServiceSummary[];
}

export interface ConfigMapData {
  readonly resourceVersion: string;
  readonly immutable: boolean;
  readonly data: Readonly<Record<string, Buffer>>;
}

export interface SecretData extends ConfigMapData {
  readonly type: string;
}

export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly pod: { readonly name: string; readonly uid: string };
}

export interface ServiceSummary {
  readonly name: string;
  readonly namespace: string;
  /** `None` for a headless one. */
  readonly clusterIP: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
}

/** Addresses of the node's pods on the flat network. */
export interface PodAddresses {
  /** The pod's address, the same each time; the runtime's network is told before this resolves. */
  assign(pod: PodManifest, signal?: AbortSignal): Promise<string>;
  /** No error when it has none. */
  release(podUid: string, signal?: AbortSignal): Promise<void>;
}

export interface PodStatusWriter {
  /** Writes the status; a pod that is gone, or another of the same name, is no error. */
  write(pod: PodManifest, status: PodStatusReport, signal?: AbortSignal): Promise<void>;
  /** Says that nothing of the pod is left here, so that the API lets it go (a deletion with grace period 0). */
  finish(pod: PodManifest, signal?: AbortSignal): Promise<void>;
}

export interface KubeletEvent {
  readonly type: 'Normal' | 'Warning';
  /** As the kubelet's: Pulling, Pulled, Created, Started, Killing, BackOff, Unhealthy, Failed, FailedMount, … */
  readonly reason: string;
  readonly message: string;
  /** Name of the container that it is about; absent: the pod. */
  readonly container?: string;
}

/** What the node tells its pods. */
export interface NodeSettings {
  readonly node: string;
  /** status.hostIP of its pods. */
  readonly hostAddress: string;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** resolv.conf of pods with dnsPolicy Default. */
  readonly dns: { readonly servers: readonly string[]; readonly searches: readonly string[] };
  readonly allocatable: { readonly millicpu: number; readonly memoryBytes: number };
  readonly cgroupVersion: 1 | 2;
}

export interface KubeletContext {
  readonly cri: Cri;
  readonly files: PodFiles;
  readonly references: PodReferences;
  readonly addresses: PodAddresses;
  readonly statuses: PodStatusWriter;
  readonly settings: NodeSettings;
  /** The node as the API has it, for who may be on it; undefined while it is not there. */
  readonly node: () => Node | undefined;
  /** What the node has left now. */
  readonly room: (signal: AbortSignal) => Promise<NodeRoom>;
  readonly event: (about: PodManifest, event: KubeletEvent) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The pod cannot go on as it is; `code` is the reason that its container's waiting state or the pod's status shows,
 * in the kubelet's words (CreateContainerConfigError, ErrImagePull, ImagePullBackOff, …).
 */
export class KubeletError extends YadoError {
  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(reason, message, options);
  }
}

/** Runs the pods of one node. */
export interface PodRunner {
  /** The pod as the API has it now; also one that is being deleted. */
  upsert(pod: PodManifest): void;
  /** The API has it no more: whatever is left of it here goes. */
  remove(pod: PodManifest): void;
  /** All pods of the node have been told: what belongs to none of them may go. */
  markSynced(): void;
  /** Works until the signal aborts; containers go on without it. */
  run(signal: AbortSignal): Promise<void>;
}
