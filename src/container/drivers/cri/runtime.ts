import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { ContainerError, type ContainerRuntime, type PodSandbox, type PodSandboxes } from '../../port.ts';
import { decodeSandboxes, decodeSandboxPid, encodeListReadySandboxes, encodeSandboxStatus, encodeStopContainer } from './messages.ts';
import { RuntimeEvents } from './runtime-events.ts';

export interface CriRuntimeOptions {
  /** Path of the runtime's unix socket. */
  readonly socket: string;
}

const SERVICE = '/runtime.v1.RuntimeService';
const LONGEST_ANSWER = 32 * 1024 * 1024;
/** A runtime that was restarted is found again within seconds. */
const CHANNEL = { 'grpc.initial_reconnect_backoff_ms': 200, 'grpc.max_reconnect_backoff_ms': 2000, 'grpc.max_receive_message_length': LONGEST_ANSWER };

/** A container runtime spoken to over the CRI (runtime.v1). */
export class CriRuntime implements ContainerRuntime, PodSandboxes {
  readonly #client: Client;
  readonly #starts: RuntimeEvents;

  constructor(options: CriRuntimeOptions) {
    this.#client = new Client(`unix://${options.socket}`, credentials.createInsecure(), CHANNEL);
    this.#starts = new RuntimeEvents(this.#client, ['topic=="/tasks/start"']);
  }

  async stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    await this.#call('StopContainer', encodeStopContainer(id, timeoutSeconds), signal, `container ${id} could not be stopped`);
  }

  async readySandboxes(podUid?: string, signal?: AbortSignal): Promise<readonly PodSandbox[]> {
    const answer = await this.#call('ListPodSandbox', encodeListReadySandboxes(podUid), signal, 'sandboxes could not be listed');
    return answer === undefined ? [] : decodeSandboxes(answer);
  }

  async pidOf(sandbox: string, signal?: AbortSignal): Promise<number | undefined> {
    const answer = await this.#call('PodSandboxStatus', encodeSandboxStatus(sandbox), signal, `the status of sandbox ${sandbox} is not to be had`);
    return answer === undefined ? undefined : decodeSandboxPid(answer);
  }

  onStart(listener: () => void): () => void {
    return this.#starts.listen(listener);
  }

  [Symbol.dispose](): void {
    this.#starts[Symbol.dispose]();
    this.#client.close();
  }

  /** The answer; undefined when the runtime does not know what it is asked about. */
  async #call(method: string, request: Buffer, signal: AbortSignal | undefined, failure: string): Promise<Buffer | undefined> {
    try {
      return await this.#send(method, request, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const { code, details } = error as ServiceError;
      if (code === status.NOT_FOUND) return undefined;
      throw new ContainerError(code === status.UNAVAILABLE ? 'RuntimeUnavailable' : 'RuntimeError', `${failure}: ${details}`, { cause: error });
    }
  }

  #send(method: string, request: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const call = this.#client.makeUnaryRequest(`${SERVICE}/${method}`, identity, identity, request, { deadline: Date.now() + 30_000 }, (error, answer) => {
      signal?.removeEventListener('abort', cancel);
      if (error === null) resolve(answer ?? Buffer.alloc(0));
      else reject(error);
    });
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    return promise;
  }
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}
