import { YadoError, type ErrorOptions } from '../base/errors.ts';

/** The container runtime of one host, as far as the agent needs it. */
export interface ContainerRuntime extends Disposable {
  /** Ends a container; after `timeoutSeconds` by SIGKILL. No error when it is unknown or has ended. */
  stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void>;
}

export class ContainerError extends YadoError {
  declare readonly code: 'RuntimeUnavailable' | 'RuntimeError';
  constructor(code: ContainerError['code'], message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
