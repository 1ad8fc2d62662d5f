import { open, stat, type FileHandle } from 'node:fs/promises';
import { NetworkError } from '../../port.ts';

/** The network namespace of a sandbox, held open: its path means this namespace as long as it is, whatever becomes of the process. */
export class PodNamespace implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
    this.path = `/proc/${process.pid}/fd/${handle.fd}`;
  }

  /** Throws NetworkNotReady (wait) when the process is gone, InterfaceError when it lives in the node's own namespace. */
  static async open(pid: number): Promise<PodNamespace> {
    const handle = await open(`/proc/${pid}/ns/net`, 'r').catch((cause: unknown) => {
      throw new NetworkError('NetworkNotReady', `process ${pid} of a sandbox is gone, or not to be seen from here; the agent needs the host's process ids`, { cause, disposition: 'wait' });
    });
    const [pod, own] = await Promise.all([handle.stat(), stat('/proc/self/ns/net')]);
    if (pod.ino !== own.ino) return new PodNamespace(handle);
    await handle.close();
    throw new NetworkError('InterfaceError', `process ${pid} of a sandbox has no network namespace of its own`, { disposition: 'stalled' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
