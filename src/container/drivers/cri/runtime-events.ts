import { status, type Client, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { encodeSubscribe } from './messages.ts';

const METHOD = '/containerd.services.events.v1.Events/Subscribe';
const AGAIN_MS = 1000;

/** containerd's own events on the socket of its CRI, such as `topic=="/tasks/start"`. Other runtimes have none, and nobody is told. */
export class RuntimeEvents implements Disposable {
  readonly #client: Client;
  readonly #filters: readonly string[];
  readonly #listeners = new Set<() => void>();
  #stream: ClientReadableStream<Buffer> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  /** Told is of events that one of the filters lets through. */
  constructor(client: Client, filters: readonly string[]) {
    this.#client = client;
    this.#filters = filters;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#subscribe();
    return () => void this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#listeners.clear();
    this.#stream?.cancel();
  }

  #subscribe(): void {
    if (this.#over || this.#stream !== undefined || this.#timer !== undefined) return;
    const identity = (bytes: Buffer): Buffer => bytes;
    const stream = this.#client.makeServerStreamRequest(METHOD, identity, identity, encodeSubscribe(this.#filters));
    this.#stream = stream;
    stream.on('data', () => this.#tell());
    stream.once('end', () => this.#again(stream));
    stream.on('error', ({ code }: ServiceError) => {
      if (code === status.UNIMPLEMENTED) this.#over = true;
      this.#again(stream);
    });
  }

  /** The runtime was restarted, perhaps: what happened meanwhile is told when it is back. */
  #again(stream: ClientReadableStream<Buffer>): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (this.#over) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#subscribe();
      this.#tell();
    }, AGAIN_MS);
    this.#timer.unref();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
