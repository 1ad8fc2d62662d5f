import { spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errnoOf, messageOf, YadoError } from '../../base/errors.ts';
import { cookieOf, ImageProxy } from './image-proxy.ts';
import { NbdClient } from './nbd-client.ts';
import type { DiskReader } from './port.ts';
import { checkHeader, HEADER_BYTES } from './qcow2-header.ts';

export interface Qcow2ImageOptions {
  /** Id of the image. */
  readonly image: string;
  /** Of what is there while it is open; the path is short, and gone afterwards. */
  readonly folder: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const PROGRAM = 'qemu-storage-daemon';
const EXPORT = 'disk';
/** Files in its folder. */
const KEY = 'key';
const SOCKET = 'nbd';
/** Who reads what anybody may have made has no rights: the user and the group nobody. */
const NOBODY = 65_534;
const LOOK_MS = 50;
const START_MS = 30_000;
/** The proxy gives up long before. */
const PROXY_SECONDS = 3600;
const MOST_SAID = 4096;

/** The disk in a qcow2 file, which a QEMU of its own reads through a proxy. It ends with this program, however that ends. */
export class Qcow2Image implements DiskReader {
  readonly #resources: AsyncDisposableStack;
  readonly #proxy: ImageProxy;
  readonly #disk: NbdClient;
  readonly #signal: AbortSignal;

  private constructor(resources: AsyncDisposableStack, proxy: ImageProxy, disk: NbdClient, signal: AbortSignal) {
    this.#resources = resources;
    this.#proxy = proxy;
    this.#disk = disk;
    this.#signal = signal;
  }

  /** Takes the file over, and closes it. Rejects with an OpenStackError, or a YadoError where QEMU cannot be had. */
  static async open(file: DiskReader, options: Qcow2ImageOptions): Promise<Qcow2Image> {
    await using resources = new AsyncDisposableStack();
    resources.use(file);
    const header = Buffer.alloc(Math.min(HEADER_BYTES, file.sizeBytes));
    await file.read(0, header);
    checkHeader(options.image, header);
    const proxy = resources.use(await ImageProxy.start(file));
    const folder = await privateFolder(options.folder);
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    await giveKey(folder, proxy);
    const daemon = new Daemon(folder, optionsFor(proxy));
    resources.defer(() => daemon.end());
    const disk = resources.use(await connect(daemon, join(folder, SOCKET), options).catch((error: unknown) => {
      throw proxy.failure ?? error;
    }));
    return new Qcow2Image(resources.move(), proxy, disk, options.signal);
  }

  get sizeBytes(): number {
    return this.#disk.sizeBytes;
  }

  async read(offset: number, into: Buffer): Promise<void> {
    try {
      await this.#disk.read(offset, into);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw this.#proxy.failure ?? error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

async function privateFolder(folder: string): Promise<string> {
  // One before that was killed left it behind.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chown(folder, NOBODY, NOBODY);
  return folder;
}

/** In a file, since anybody can see the arguments of a process. */
async function giveKey(folder: string, proxy: ImageProxy): Promise<void> {
  const path = join(folder, KEY);
  await writeFile(path, cookieOf(proxy.key), { mode: 0o600 });
  await chown(path, NOBODY, NOBODY);
}

function optionsFor({ url }: ImageProxy): readonly string[] {
  const blockdev = (options: object): readonly string[] => ['--blockdev', JSON.stringify({ 'read-only': true, ...options })];
  return [
    '--object', `secret,id=key,file=${KEY}`,
    ...blockdev({ driver: 'http', 'node-name': 'file', url, 'cookie-secret': 'key', timeout: PROXY_SECONDS }),
    ...blockdev({ driver: 'qcow2', 'node-name': 'disk', file: 'file', backing: null }),
    '--nbd-server', `addr.type=unix,addr.path=${SOCKET},max-connections=1`,
    '--export', `type=nbd,id=disk,node-name=disk,name=${EXPORT},writable=off`,
  ];
}

async function connect(daemon: Daemon, socketPath: string, { clock, signal }: Qcow2ImageOptions): Promise<NbdClient> {
  for (const giveUpAt = clock.now() + START_MS; ;) {
    try {
      return await NbdClient.connect(socketPath, EXPORT, signal);
    } catch (error) {
      if (!['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '')) throw error;
      if (daemon.hasEnded || clock.now() > giveUpAt) throw new YadoError('ImageReaderFailed', `${PROGRAM} does not open the image: ${daemon.said || messageOf(error)}`, { cause: error });
    }
    await clock.sleep(LOOK_MS, signal);
  }
}

/** Ends with the program that started it, even when that is killed. */
class Daemon {
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

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
