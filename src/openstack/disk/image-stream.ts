import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { hasCode, OpenStackError } from '../errors.ts';
import type { Image, ImageData, ImageService } from '../image/port.ts';
import type { DiskReader } from './port.ts';
import { Portions } from './portions.ts';

export interface ImageStreamOptions {
  readonly images: ImageService;
  /** Id of the image. */
  readonly image: string;
  /** Whether it is read here and there: a service that knows no ranges is refused then. */
  readonly scattered: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Less than this is read over to where the next bytes are asked for; beyond it a new request is cheaper. */
const SKIP_BYTES = 8 * 2 ** 20;
/** In a row, without a byte between them. */
const MOST_FAILURES = 5;
const BACKOFF = { baseMs: 500, capMs: 10_000, jitter: 0.5 };
/** Statuses from which an image does not come to be active. */
const LOST: readonly Image['status'][] = ['killed', 'deleted', 'pending_delete', 'deactivated'];

/**
 * The data of an image, which is the disk itself where its format is raw. One request brings all that is read in its
 * order, and is taken up again at its offset when it breaks off; reading elsewhere begins another one.
 */
export class ImageStream implements DiskReader {
  readonly sizeBytes: number;
  readonly #options: ImageStreamOptions;
  #data: Portions | undefined;
  /** Of the byte that comes next. */
  #offset = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #isOver = false;

  private constructor(options: ImageStreamOptions, sizeBytes: number) {
    this.#options = options;
    this.sizeBytes = sizeBytes;
  }

  /** Rejects with an OpenStackError, also while there is no data yet. */
  static async open(options: ImageStreamOptions): Promise<ImageStream> {
    const image = await options.images.image(options.image, options.signal);
    if (image === undefined) throw new OpenStackError('NotFound', `image: there is no image ${options.image}`, { service: 'image' });
    if (image.status !== 'active') throw new OpenStackError('Conflict', `image: ${image.id} is ${image.status}, and has no data to be read`, { service: 'image', disposition: LOST.includes(image.status) ? 'stalled' : 'retry' });
    if (image.sizeBytes === undefined) throw new OpenStackError('InvalidAnswer', `image: nothing says how large ${image.id} is`, { service: 'image' });
    return new ImageStream(options, image.sizeBytes);
  }

  /** One after another, in the order in which they are asked for. */
  read(offset: number, into: Buffer): Promise<void> {
    const result = this.#turn.then(() => this.#read(offset, into));
    this.#turn = result.catch(() => {});
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#close();
  }

  async #read(offset: number, into: Buffer): Promise<void> {
    for (let filled = 0, failures = 0; filled < into.length;) {
      try {
        const data = await this.#at(offset + filled);
        const portion = await data.some(into.length - filled);
        filled += portion.copy(into, filled);
        this.#offset += portion.length;
        failures = 0;
      } catch (error) {
        failures += 1;
        await this.#pause(error, offset + filled, failures);
      }
    }
  }

  async #at(offset: number): Promise<Portions> {
    const isNear = this.#data !== undefined && offset >= this.#offset && offset <= this.#offset + SKIP_BYTES;
    const data = isNear ? this.#data as Portions : await this.#open(offset);
    while (this.#offset < offset) this.#offset += (await data.some(offset - this.#offset)).length;
    return data;
  }

  async #open(offset: number): Promise<Portions> {
    this.#close();
    this.#goOn();
    const { stream, offset: begins } = await this.#download(offset);
    const data = new Portions(stream);
    if (begins !== offset && (this.#options.scattered || begins > offset)) {
      data[Symbol.dispose]();
      throw new OpenStackError('InvalidAnswer', `image: Glance sends ${this.#options.image} from byte ${begins} on where it is asked for byte ${offset}: an image that is not raw cannot be read without ranges; make it a raw one there`, { service: 'image', disposition: 'stalled' });
    }
    this.#data = data;
    this.#offset = begins;
    // Nobody else closes it where that was asked for meanwhile.
    if (this.#isOver) this.#close();
    return data;
  }

  async #download(offset: number): Promise<ImageData> {
    const { images, image, scattered, signal } = this.#options;
    if (offset === 0 && !scattered) return images.download(image, undefined, signal);
    try {
      return await images.download(image, { offset }, signal);
    } catch (error) {
      // What some stores say that can only send an image from its beginning.
      if (scattered || !hasCode(error, 'InvalidRequest')) throw error;
      return images.download(image, undefined, signal);
    }
  }

  async #pause(error: unknown, offset: number, failures: number): Promise<void> {
    const { image, clock, signal } = this.#options;
    this.#close();
    this.#goOn();
    if (error instanceof OpenStackError && error.disposition !== 'retry') throw error;
    if (failures >= MOST_FAILURES) throw error instanceof OpenStackError ? error : new OpenStackError('Unreachable', `image: the data of ${image} broke off ${failures} times at byte ${offset}: ${messageOf(error)}`, { service: 'image', cause: error });
    await clock.sleep(backoffMs(failures, BACKOFF), signal);
  }

  #goOn(): void {
    this.#options.signal.throwIfAborted();
    if (this.#isOver) throw new Error(`the image ${this.#options.image} is not read any more`);
  }

  #close(): void {
    this.#data?.[Symbol.dispose]();
    this.#data = undefined;
  }
}
