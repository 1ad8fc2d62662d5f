import { spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errnoOf, messageOf, YadoError } from '../../base/errors.ts';
import { NbdClient } from './nbd-client.ts';
import type { DiskReader } from './port.ts';

export interface DiskDaemonOptions {
  /** Of what is there while it is open; the path is short, and gone afterwards. */
  readonly folder: string;
  /** What only it and root may read, by the names of files in the folder. */
  readonly files: Readonly<Record<string, string>>;
  /** Options of qemu-storage-daemon that open the disk as the node DISK_NODE; they name files as they are called in the folder. */
  readonly blockdevs: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export const DISK_NODE = 'disk';
const PROGRAM = 'qemu-storage-daemon';
const EXPORT = 'disk';
const SOCKET = 'nbd';
/** Who reads what anybody may have made has no rights: the user and the group nobody. */
const NOBODY = 65_534;
const LOOK_MS = 50;
const START_MS = 30_000;
const END_MS = 5_000;
const MOST_SAID = 4096;

/** A disk that a QEMU of its own reads, as nobody. It ends with this program, however that ends. */
export class DiskDaemon implements DiskReader {
  readonly #disk: NbdClient;
  readonly #resources: AsyncDisposableStack;

  private constructor(disk: NbdClient, resources: AsyncDisposableStack) {
    this.#disk = disk;
    this.#resources = resources;
  }

  /** Rejects with a YadoError where QEMU cannot be had, or cannot open the disk. */
  static async start({ folder, files, blockdevs, clock, signal }: DiskDaemonOptions): Promise<DiskDaemon> {
    await using resources = new AsyncDisposableStack();
    await makeFolder(folder, files);
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    const program = new Program(folder, [...blockdevs, '--nbd-server', `addr.type=unix,addr.path=${SOCKET},max-connections=1`, '--export', `type=nbd,id=disk,node-name=${DISK_NODE},name=${EXPORT},writable=off`]);
    resources.defer(() => program.end());
    const disk = resources.use(await connect(program, join(folder, SOCKET), clock, signal));
    return new DiskDaemon(disk, resources.move());
  }

  get sizeBytes(): number {
    return this.#disk.sizeBytes;
  }

  read(offset: number, into: Buffer): Promise<void> {
    return this.#disk.read(offset, into);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

async function makeFolder(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  // One before that was killed left it behind.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chown(folder, NOBODY, NOBODY);
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content, { mode: 0o600 });
    await chown(join(folder, name), NOBODY, NOBODY);
  }
}

async function connect(program: Program, socketPath: string, clock: Clock, signal: AbortSignal): Promise<NbdClient> {
  for (const giveUpAt = clock.now() + START_MS; ;) {
    try {
      return await NbdClient.connect(socketPath, EXPORT, signal);
    } catch (error) {
      if (!['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '')) throw error;
      if (program.hasEnded || clock.now() > giveUpAt) throw new YadoError('ImageReaderFailed', `${PROGRAM} does not open the image: ${program.said || messageOf(error)}`, { cause: error });
    }
    await clock.sleep(LOOK_MS, signal);
  }
}

/** Ends with the program that started it, even when that is killed. */
class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #hasEnded = false;
  #said = '';

  constructor(folder: string, options: readonly string[]) {
    const rights = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
    // The folder is where it begins, since it may not pass those above.
    this.#child = spawn('setpriv', [...rights, '--pdeathsig', 'KILL', '--', PROGRAM, ...options], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.on('data', (text: Buffer) => (this.#said = `${this.#said}${text.toString()}`.slice(-MOST_SAID)));
    this.#ended = new Promise((resolve) => {
      const end = (error?: unknown): void => {
        this.#hasEnded = true;
        if (error instanceof Error) this.#said ||= messageOf(error);
        resolve();
      };
      this.#child.once('error', end).once('close', () => end());
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get said(): string {
    return this.#said.trim();
  }

  /** Politely: who is killed with an image of Ceph open stays in the way of others for half a minute. */
  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}
