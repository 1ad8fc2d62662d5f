import { Client, credentials } from '@grpc/grpc-js';
import { encodeMessage, WireMessage, type WireField } from '../../src/container/drivers/cri/wire.ts';

/** The few calls of CRI that tests of a way into a guest need, by hand: what is tested is the way. */
export class CriCalls implements Disposable {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  call(method: string, fields: readonly WireField[] = []): Promise<WireMessage> {
    const identity = (bytes: Buffer): Buffer => bytes;
    const { promise, resolve, reject } = Promise.withResolvers<WireMessage>();
    this.#client.makeUnaryRequest(`/runtime.v1.RuntimeService/${method}`, identity, identity, encodeMessage(fields), { deadline: Date.now() + 60_000 }, (error, answer) => {
      if (error === null) resolve(new WireMessage(answer ?? Buffer.alloc(0)));
      else reject(error);
    });
    return promise;
  }

  /** Makes a pod's sandbox and returns its id. */
  async runSandbox(pod: CriPod): Promise<string> {
    return (await this.call('RunPodSandbox', [[1, podConfig(pod)]])).text(1);
  }

  /** Address and process of a sandbox. */
  async sandbox(id: string): Promise<{ readonly address: string; readonly pid: number }> {
    const status = await this.call('PodSandboxStatus', [[1, id], [2, 1]]);
    const info = status.messages(2).find((entry) => entry.text(1) === 'info')?.text(2) ?? '{}';
    return { address: status.message(1).message(5).text(1), pid: (JSON.parse(info) as { readonly pid: number }).pid };
  }

  /** Starts a container and returns its id. */
  async runContainer(pod: CriPod, sandbox: string, container: CriContainer): Promise<string> {
    const config = encodeMessage([
      [1, encodeMessage([[1, container.name]])],
      [2, encodeMessage([[1, container.image]])],
      ...container.command.map((word): WireField => [3, word]),
      ...(container.mounts ?? []).map(([path, host]): WireField => [7, encodeMessage([[1, path], [2, host]])]),
    ]);
    const id = (await this.call('CreateContainer', [[1, sandbox], [2, config], [3, podConfig(pod)]])).text(1);
    await this.call('StartContainer', [[1, id]]);
    return id;
  }

  /** State (1 is running) and the moment of its start, which changes when it is started again. */
  async container(id: string): Promise<string> {
    const status = (await this.call('ContainerStatus', [[1, id]])).message(1);
    return `${status.number(3)} since ${status.number(5)}`;
  }

  async exec(container: string, ...command: readonly string[]): Promise<string> {
    const answer = await this.call('ExecSync', [[1, container], ...command.map((word): WireField => [2, word]), [3, 20]]);
    if (answer.number(3) !== 0) throw new Error(`${command.join(' ')}: ${answer.text(2)}`);
    return answer.text(1);
  }
}

export interface CriPod {
  readonly name: string;
  readonly uid: string;
}

export interface CriContainer {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  /** Path in the container and on its host. */
  readonly mounts?: readonly (readonly [string, string])[];
}

function podConfig({ name, uid }: CriPod): Buffer {
  return encodeMessage([[1, encodeMessage([[1, name], [2, uid], [3, 'link']])], [2, name], [8, encodeMessage([[1, `/pods/${uid}`]])]]);
}
