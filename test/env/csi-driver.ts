import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { run } from '../../src/base/process.ts';
import type { Method } from '../../src/base/grpc-services.ts';
import type { BackendKind } from '../../src/storage/backends.ts';
import { csiServices, type CsiCall } from '../../src/storage/csi/protocol.ts';
import { processesOf } from '../../src/storage/drivers/ceph/daemons.ts';
import { mounts, type Mount } from '../../src/storage/mounts.ts';
import { ownFolder } from './own-folder.ts';
import { tiedProgram } from './tied.ts';

/** A bundle starts sooner, which matters where the processor is emulated. */
const program = process.env['YADO_CSI'] ?? join(import.meta.dirname, '../../src/bin/yado-csi.ts');
const READY_MS = 60_000;
const PREFIX = 'yado-csi-';

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
  readonly node: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;
  #client: Client | undefined;
  readonly #methods: ReadonlyMap<string, Method> = new Map([...csiServices().values()].flatMap((service) => Object.entries(service)));

  private constructor(folder: string, node: string, args: readonly string[]) {
    this.folder = folder;
    this.node = node;
    this.#args = args;
  }

  /** With `ready` false it need not be able to make anything. */
  static async start(backend: BackendUnderTest = { kind: 'local' }, { ready = true, node = 'n1' } = {}): Promise<CsiDriverUnderTest> {
    const folder = await ownFolder(PREFIX, { clear });
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
    const driver = new CsiDriverUnderTest(folder, node, args);
    await driver.run({ ready });
    return driver;
  }

  get socket(): string {
    return join(this.folder, 'csi.sock');
  }

  /** Starts the process, again after a kill, and returns when it answers. */
  async run({ ready = true } = {}): Promise<void> {
    const child = spawn('setpriv', [...tiedProgram, process.execPath, program, ...this.#args, '--node', this.node, '--socket', this.socket, '--state-directory', join(this.folder, 'state'), '--log-level', 'warn'], { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#process = child;
    this.#client?.close();
    this.#client = new Client(`unix://${this.socket}`, credentials.createInsecure(), { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 200 });
    for (const deadline = Date.now() + READY_MS; ; await delay(50)) {
      if (child.exitCode !== null) throw new Error(`the driver ended with ${child.exitCode}`);
      const answer = await this.call('Probe').catch((error: unknown) => (Date.now() > deadline ? Promise.reject(error) : undefined));
      if (answer !== undefined && (!ready || answer['ready']?.value === true)) return;
    }
  }

  /** With `children` whatever it runs itself ends too; what it has let go of stays. */
  async kill({ children = false } = {}): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const own = children ? (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).split(' ').filter((pid) => pid !== '') : [];
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    for (const pid of own) endProcess(Number(pid));
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

  /** Mounts, loop devices and daemons that lead into this driver's folder. */
  async inUse(): Promise<readonly string[]> {
    const { folder } = this;
    return [...(await mountsIn(folder)).map(({ target }) => target), ...await devicesOf(folder), ...(await daemonsOf(folder)).map((pid) => `process ${pid}`)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
    await this.kill();
    await clear(this.folder);
  }
}

async function mountsIn(folder: string): Promise<readonly Mount[]> {
  return (await mounts()).filter(({ target }) => target.startsWith(folder));
}

async function devicesOf(folder: string): Promise<readonly string[]> {
  return (await run('losetup', ['--noheadings', '--list', '--output', 'NAME,BACK-FILE'])).split('\n').filter((line) => line.includes(folder));
}

async function daemonsOf(folder: string): Promise<readonly number[]> {
  return (await Promise.all(['qemu-storage-daemon', 'ceph-fuse'].map((program) => processesOf(program, folder)))).flat();
}

/** Removes all that a driver has left. */
async function clear(folder: string): Promise<void> {
  const volumes = (await mountsIn(folder)).filter(({ target }) => !target.startsWith(join(folder, 'state')));
  for (const { target } of volumes.toReversed()) await run('umount', ['--lazy', '--', target]);
  for (const line of await devicesOf(folder)) await run('losetup', ['--detach', line.split(' ')[0] ?? '']);
  for (const pid of await daemonsOf(folder)) endProcess(pid);
  for (const { target } of (await mountsIn(folder)).toReversed()) await run('umount', ['--lazy', '--', target]);
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
