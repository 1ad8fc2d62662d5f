import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { run } from '../../src/base/process.ts';
import type { Method } from '../../src/base/grpc-services.ts';
import type { BackendKind } from '../../src/storage/backends.ts';
import { csiServices, type CsiCall } from '../../src/storage/csi/protocol.ts';
import { mounts, unmount } from '../../src/storage/mounts.ts';

/** A bundle starts sooner, which matters where the processor is emulated. */
const program = process.env['YADO_CSI'] ?? join(import.meta.dirname, '../../src/bin/yado-csi.ts');
const READY_MS = 60_000;

export interface BackendUnderTest {
  readonly kind: BackendKind;
  readonly settings?: object;
  readonly secret?: Readonly<Record<string, string>>;
}

/** What a call answers: read field by field. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Answer = Record<string, any>;

/** The CSI driver as a process on this machine, with a state of its own, and somebody who calls it. */
export class CsiDriverUnderTest implements AsyncDisposable {
  readonly folder: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;
  #client: Client | undefined;
  readonly #methods: ReadonlyMap<string, Method> = new Map([...csiServices().values()].flatMap((service) => Object.entries(service)));

  private constructor(folder: string, args: readonly string[]) {
    this.folder = folder;
    this.#args = args;
  }

  static async start(backend: BackendUnderTest = { kind: 'local' }): Promise<CsiDriverUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'yado-csi-'));
    const args = ['--backend', backend.kind];
    if (backend.settings !== undefined) {
      await writeFile(join(folder, 'settings.json'), JSON.stringify(backend.settings));
      args.push('--settings', join(folder, 'settings.json'));
    }
    if (backend.secret !== undefined) {
      await mkdir(join(folder, 'secret'), { mode: 0o700 });
      for (const [key, value] of Object.entries(backend.secret)) await writeFile(join(folder, 'secret', key), value, { mode: 0o600 });
      args.push('--secret-folder', join(folder, 'secret'));
    }
    const driver = new CsiDriverUnderTest(folder, args);
    await driver.run();
    return driver;
  }

  get socket(): string {
    return join(this.folder, 'csi.sock');
  }

  /** Starts the process, again after a kill, and returns when it answers. */
  async run(): Promise<void> {
    const child = spawn(process.execPath, [program, ...this.#args, '--node', 'n1', '--socket', this.socket, '--state-directory', join(this.folder, 'state'), '--log-level', 'warn'], { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#process = child;
    this.#client?.close();
    this.#client = new Client(`unix://${this.socket}`, credentials.createInsecure(), { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 200 });
    for (const deadline = Date.now() + READY_MS; ; await delay(50)) {
      if (child.exitCode !== null) throw new Error(`the driver ended with ${child.exitCode}`);
      const answer = await this.call('Probe').catch((error: unknown) => (Date.now() > deadline ? Promise.reject(error) : undefined));
      if (answer?.['ready']?.value === true) return;
    }
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  call(name: CsiCall, request: object = {}): Promise<Answer> {
    const method = this.#methods.get(name);
    const client = this.#client;
    if (method === undefined || client === undefined) throw new Error(`${name} cannot be called`);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, { deadline: Date.now() + 60_000 }, (error: ServiceError | null, answer?: object) => (error === null ? resolve(answer ?? {}) : reject(error)));
    return promise;
  }

  /** Mounts and loop devices that lead into this driver's folder. */
  async inUse(): Promise<readonly string[]> {
    const devices = (await run('losetup', ['--noheadings', '--list', '--output', 'NAME,BACK-FILE'])).split('\n').filter((line) => line.includes(this.folder));
    return [...(await mounts()).filter(({ target }) => target.startsWith(this.folder)).map(({ target }) => target), ...devices];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
    await this.kill();
    for (const { target } of (await mounts()).filter((mount) => mount.target.startsWith(this.folder)).reverse()) await unmount(target);
    for (const line of await this.inUse()) await run('losetup', ['--detach', line.split(' ')[0] ?? '']);
    await rm(this.folder, { recursive: true, force: true });
  }
}
