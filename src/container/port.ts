import { YadoError, type ErrorOptions } from '../base/errors.ts';

/** The container runtime of one host, as far as the agent needs it. */
export interface ContainerRuntime extends Disposable {
  /** Ends a container; after `timeoutSeconds` by SIGKILL. No error when it is unknown or has ended. */
  stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void>;
}

/** What holds a pod's namespaces. */
export interface PodSandbox {
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
}

/** The sandboxes of one host's pods. Calls reject with a ContainerError. */
export interface PodSandboxes {
  /** All that are ready, or those of one pod; the newest first. */
  readySandboxes(podUid?: string, signal?: AbortSignal): Promise<readonly PodSandbox[]>;
  /** The process whose namespaces are the sandbox's, as /proc of the host names it; undefined when the sandbox is not ready. */
  pidOf(sandbox: string, signal?: AbortSignal): Promise<number | undefined>;
  /** Calls the listener when sandboxes may have come, where the runtime tells; who depends on it must look now and then besides. */
  onStart(listener: () => void): () => void;
}

export class ContainerError extends YadoError {
  declare readonly code: 'RuntimeUnavailable' | 'RuntimeTimeout' | 'RuntimeError';
  constructor(code: ContainerError['code'], message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
