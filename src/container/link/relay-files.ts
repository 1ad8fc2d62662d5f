import type { Readable } from 'node:stream';
import type { FolderOptions, PodFiles, VolumeFile } from '../pod-files.ts';
import { contentOf, type LinkRequest, type LinkSession } from './session.ts';

/** Where pods' files are in every guest. */
const root = '/var/lib/yadokari/pods';

/** Files of pods, by way of the guest's relay. */
export class RelayFiles implements PodFiles {
  readonly root = root;
  readonly #session: () => LinkSession;

  /** `session` gives the present one, or throws a LinkError of code `LinkDown`. */
  constructor(session: () => LinkSession) {
    this.#session = session;
  }

  async makeFolder(path: string, options: FolderOptions, signal?: AbortSignal): Promise<void> {
    const { mode, group, memory } = options;
    await this.#call('PUT', 'folder', { path, mode: mode.toString(8), group, ...(memory === undefined ? {} : { memory: memory.sizeBytes ?? 0 }) }, signal);
  }

  async writeVolume(path: string, files: readonly VolumeFile[], options: { readonly group?: number } = {}, signal?: AbortSignal): Promise<void> {
    const body = JSON.stringify({ files: files.map(({ path, mode, owner, content }) => ({ path, mode, owner, content: content.toString('base64') })) });
    await this.#call('PUT', 'volume', { path, group: options.group }, signal, body);
  }

  async writeFile(path: string, content: Buffer | string, mode: number, signal?: AbortSignal): Promise<void> {
    await this.#call('PUT', 'file', { path, mode: mode.toString(8) }, signal, content);
  }

  async readFile(path: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const stream = await this.#session().open({ method: 'GET', path: url('file', { path, last: maxBytes }) }, signal);
    if (stream === undefined) return undefined;
    return contentOf(stream, maxBytes, signal);
  }

  async readFrom(path: string, offset: number, signal?: AbortSignal): Promise<Readable | undefined> {
    return this.#session().open({ method: 'GET', path: url('file', { path, offset }) }, signal);
  }

  async stat(path: string, signal?: AbortSignal): Promise<{ readonly sizeBytes: number; readonly inode: number } | undefined> {
    return await this.#call('GET', 'stat', { path }, signal) as { readonly sizeBytes: number; readonly inode: number } | undefined;
  }

  async rename(from: string, to: string, signal?: AbortSignal): Promise<void> {
    await this.#call('POST', 'rename', { from, to }, signal);
  }

  async list(path: string, signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.#call('GET', 'names', { path }, signal) ?? []) as readonly string[];
  }

  async usage(path: string, signal?: AbortSignal): Promise<number> {
    return (await this.#call('GET', 'usage', { path }, signal) as { readonly bytes: number }).bytes;
  }

  async remove(path: string, signal?: AbortSignal): Promise<void> {
    await this.#call('DELETE', 'tree', { path }, signal);
  }

  async #call(method: LinkRequest['method'], name: string, query: Query, signal?: AbortSignal, body?: Buffer | string): Promise<unknown> {
    return this.#session().call({ method, path: url(name, query), ...(body === undefined ? {} : { body }) }, signal);
  }
}

type Query = Readonly<Record<string, string | number | undefined>>;

function url(name: string, query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  return `/v1/${name}?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)])).toString()}`;
}
