import { readFile } from 'node:fs/promises';
import { FakeCloud, PASSWORD, recorded, type FakeAnswer, type FakeRequest } from '../../src/openstack/fake-cloud.ts';

/** Keystone and a Glance over HTTP with images that are files, and connections that break as often as a test wants. */
export class ImageCloud implements AsyncDisposable {
  /** Whether the next answer with data breaks off in its middle. */
  breaks: () => boolean = () => false;
  /** Bytes of data that were asked for. */
  askedBytes = 0;
  readonly #cloud: FakeCloud;

  private constructor(cloud: FakeCloud) {
    this.#cloud = cloud;
  }

  static async start(): Promise<ImageCloud> {
    return new ImageCloud(await FakeCloud.start());
  }

  get clouds(): string {
    return JSON.stringify({ clouds: { fake: { auth: { auth_url: `${this.#cloud.origin}/identity`, username: 'alice', password: PASSWORD, project_name: 'acme', user_domain_name: 'Default' } } } });
  }

  async add(id: string, path: string, diskFormat: string): Promise<void> {
    const data = await readFile(path);
    this.#cloud.on(`GET /image/v2/images/${id}`, { body: { ...recorded('glance-image').body as object, id, disk_format: diskFormat, size: data.length, virtual_size: null } });
    this.#cloud.on(`GET /image/v2/images/${id}/file`, (request) => this.#part(data, request));
  }

  /** Tokens that were given out are good no more. */
  endTokens(): void {
    this.#cloud.tokens.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cloud[Symbol.asyncDispose]();
  }

  #part(data: Buffer, { headers: { range } }: FakeRequest): FakeAnswer {
    const first = Number(/^bytes=([0-9]+)-$/.exec(range ?? '')?.[1] ?? 0);
    const body = data.subarray(first);
    this.askedBytes += body.length;
    const breaks = this.breaks() ? { breaks: 'within' as const } : {};
    return range === undefined ? { body, ...breaks } : { status: 206, headers: { 'content-range': `bytes ${first}-${data.length - 1}/${data.length}` }, body, ...breaks };
  }
}
