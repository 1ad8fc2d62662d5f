import type { Clock } from '../../base/clock.ts';
import { DISK_NODE, DiskDaemon } from './disk-daemon.ts';
import { cookieOf, ImageProxy } from './image-proxy.ts';
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

/** Its file, since anybody can see the arguments of a process. */
const KEY = 'key';
/** The proxy gives up long before. */
const PROXY_SECONDS = 3600;

/** The disk in a qcow2 file, which a QEMU of its own reads through a proxy. It ends with this program, however that ends. */
export class Qcow2Image implements DiskReader {
  readonly #resources: AsyncDisposableStack;
  readonly #proxy: ImageProxy;
  readonly #daemon: DiskDaemon;
  readonly #signal: AbortSignal;

  private constructor(resources: AsyncDisposableStack, proxy: ImageProxy, daemon: DiskDaemon, signal: AbortSignal) {
    this.#resources = resources;
    this.#proxy = proxy;
    this.#daemon = daemon;
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
    const { folder, clock, signal } = options;
    const daemon = resources.use(await DiskDaemon.start({ folder, files: { [KEY]: cookieOf(proxy.key) }, blockdevs: blockdevsFor(proxy), clock, signal }).catch((error: unknown) => {
      throw proxy.failure ?? error;
    }));
    return new Qcow2Image(resources.move(), proxy, daemon, signal);
  }

  get sizeBytes(): number {
    return this.#daemon.sizeBytes;
  }

  async read(offset: number, into: Buffer): Promise<void> {
    try {
      await this.#daemon.read(offset, into);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw this.#proxy.failure ?? error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

function blockdevsFor({ url }: ImageProxy): readonly string[] {
  return [
    '--object', `secret,id=key,file=${KEY}`,
    ...blockdev({ driver: 'http', 'node-name': 'file', url, 'cookie-secret': 'key', timeout: PROXY_SECONDS }),
    ...blockdev({ driver: 'qcow2', 'node-name': DISK_NODE, file: 'file', backing: null }),
  ];
}

function blockdev(options: object): readonly string[] {
  return ['--blockdev', JSON.stringify({ 'read-only': true, ...options })];
}
