import type { Readable } from 'node:stream';
import type { Page } from '../page.ts';

export type ImageStatus = 'queued' | 'saving' | 'uploading' | 'importing' | 'active' | 'killed' | 'deleted' | 'pending_delete' | 'deactivated' | 'unknown';

export interface Image {
  readonly id: string;
  /** Empty where it has none. */
  readonly name: string;
  readonly status: ImageStatus;
  readonly visibility: 'public' | 'private' | 'shared' | 'community';
  readonly ownerId?: string;
  /** Such as `qcow2` and `raw`; absent until it is known. */
  readonly diskFormat?: string;
  readonly containerFormat?: string;
  readonly sizeBytes?: number;
  readonly virtualSizeBytes?: number;
  /** Of its data, with the algorithm as Glance calls it, such as `sha512`. */
  readonly hash?: { readonly algorithm: string; readonly hex: string };
  /** MD5, in hex. */
  readonly checksum?: string;
  readonly minimumDiskGiB: number;
  readonly minimumMemoryMiB: number;
  readonly protected: boolean;
  readonly tags: readonly string[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** All else that it says of itself, such as `hw_disk_bus`. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface ImageRequest {
  readonly name: string;
  readonly diskFormat: string;
  /** Default `bare`. */
  readonly containerFormat?: string;
  /** Default `private`. */
  readonly visibility?: Image['visibility'];
  readonly minimumDiskGiB?: number;
  readonly minimumMemoryMiB?: number;
  readonly tags?: readonly string[];
  readonly properties?: Readonly<Record<string, string>>;
}

/** Data of an image; whoever asked for it reads the stream to its end or destroys it. */
export interface ImageData {
  readonly stream: Readable;
  /** Where in the image it begins: at 0, whatever was asked for, when the service knows no ranges. */
  readonly offset: number;
  /** Of the stream, where the service says it. */
  readonly lengthBytes?: number;
  /** Of the whole image, where the service says it. */
  readonly totalBytes?: number;
}

/** Glance, as one project sees it. Each call rejects with an OpenStackError. */
export interface ImageService {
  /** Also those of others that the project may use. */
  images(signal?: AbortSignal): AsyncIterable<Page<Image>>;
  image(id: string, signal?: AbortSignal): Promise<Image | undefined>;
  download(id: string, range?: { readonly offset: number; readonly lengthBytes?: number }, signal?: AbortSignal): Promise<ImageData>;
  /** Without data, which `upload` brings. */
  createImage(request: ImageRequest, signal?: AbortSignal): Promise<Image>;
  /** The stream is destroyed when it fails; an image that was uploaded by half is not active. */
  upload(id: string, data: Readable, sizeBytes?: number, signal?: AbortSignal): Promise<void>;
  /** No error where there is none. */
  deleteImage(id: string, signal?: AbortSignal): Promise<void>;
}
