import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Cri } from '../../src/container/cri.ts';
import type { PodManifest } from '../../src/container/kubelet/pod.ts';
import type { ServedNode } from '../../src/container/server/port.ts';
import { HostRuntime, until, type HostRuntimeOptions } from './host-runtime.ts';
import { LocalPodFiles } from './local-pod-files.ts';
import { tiedProgram } from './tied.ts';

/** Where a node's containers run. */
export interface ServedMachine extends AsyncDisposable {
  readonly cri: Cri;
  readonly link: ServedNode['link'];
  /** Makes ready for the pod's sandbox. */
  prepare(pod: PodManifest): Promise<void>;
}

/** A containerd of this host, in a network namespace of its own. */
export class HostMachine implements ServedMachine {
  readonly cri: Cri;
  readonly link: ServedNode['link'];
  readonly #runtime: HostRuntime;
  readonly #namespace: string;
  readonly #door: string;
  #keeper: ChildProcess | undefined;

  private constructor(folder: string, namespace: string, runtime: HostRuntime) {
    this.#runtime = runtime;
    this.#namespace = namespace;
    this.#door = join(folder, 'streams.sock');
    this.cri = runtime.client();
    this.link = { dial: (port) => this.#dial(port), files: new LocalPodFiles(join(folder, 'pods')), pressure: () => Promise.resolve(pressure) };
  }

  static async start(folder: string, options: Omit<HostRuntimeOptions, 'folder'>): Promise<HostMachine> {
    await Promise.all(['runtime', 'pods'].map((path) => mkdir(join(folder, path))));
    return new HostMachine(folder, options.name, await HostRuntime.start({ ...options, folder: join(folder, 'runtime') }));
  }

  async prepare(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeper?.kill('SIGKILL');
    this.cri[Symbol.dispose]();
    await this.#runtime[Symbol.asyncDispose]();
  }

  /** A way to the loopback of the runtime's namespace. */
  async #dial(port: number): Promise<Duplex> {
    this.#keeper ??= spawn('setpriv', [...tiedProgram, 'nsenter', `--net=/run/netns/${this.#namespace}`, 'socat', '-t', '60', `UNIX-LISTEN:${this.#door},fork,backlog=200`, `TCP:127.0.0.1:${port}`], { stdio: 'ignore' });
    return until('the way to the streaming server', () => connected(this.#door));
  }
}

const pressure = { cpuNanoseconds: 5e9, memoryAvailableBytes: 3e8, memoryWorkingSetBytes: 2e8, diskCapacityBytes: 1e9, diskAvailableBytes: 4e8, inodes: 1000, inodesFree: 900 };

function connected(path: string): Promise<Duplex | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once('error', () => resolve(undefined));
    socket.once('connect', () => resolve(socket.removeAllListeners('error')));
  });
}
