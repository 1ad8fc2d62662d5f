import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { ContainerError, type ContainerRuntime } from '../../port.ts';
import { encodeStopContainer } from './messages.ts';

export interface CriRuntimeOptions {
  /** Path of the runtime's unix socket. */
  readonly socket: string;
}

const SERVICE = '/runtime.v1.RuntimeService';

/** A container runtime spoken to over the CRI (runtime.v1). */
export class CriRuntime implements ContainerRuntime {
  readonly #client: Client;

  constructor(options: CriRuntimeOptions) {
    this.#client = new Client(`unix://${options.socket}`, credentials.createInsecure());
  }

  async stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#call('StopContainer', encodeStopContainer(id, timeoutSeconds), signal);
    } catch (error) {
      const { code, details } = error as ServiceError;
      if (code === status.NOT_FOUND) return;
      throw new ContainerError(code === status.UNAVAILABLE ? 'RuntimeUnavailable' : 'RuntimeError', `container ${id} could not be stopped: ${details}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #call(method: string, request: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const identity = (bytes: Buffer): Buffer => bytes;
    const call = this.#client.makeUnaryRequest(`${SERVICE}/${method}`, identity, identity, request, { deadline: Date.now() + 30_000 }, (error, answer) => {
      if (error === null) resolve(answer ?? Buffer.alloc(0));
      else reject(error);
    });
    signal?.addEventListener('abort', () => call.cancel(), { once: true });
    return promise;
  }
}
