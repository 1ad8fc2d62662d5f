import type { Attachment, NodeVolumes, VolumeReference } from '../../port.ts';
import type { RbdBackend } from './rbd-backend.ts';

/** A way to have images as devices of this node. Calls may be repeated. */
export interface AttachedImages {
  /** Path of the device. */
  attach(id: string, image: string, readOnly: boolean): Promise<string>;
  detach(id: string): Promise<void>;
  /** The device has at least this many bytes afterwards. */
  refresh(id: string, sizeBytes: number): Promise<void>;
}

/** Images of Ceph as block devices of this node. */
export class RbdNodeVolumes implements NodeVolumes {
  readonly #backend: RbdBackend;
  readonly #images: AttachedImages;

  constructor(backend: RbdBackend, images: AttachedImages) {
    this.#backend = backend;
    this.#images = images;
  }

  async attach({ id, readOnly }: VolumeReference): Promise<Attachment> {
    const { image } = await this.#backend.imageOf(id);
    return { kind: 'device', path: await this.#images.attach(id, image, readOnly) };
  }

  /** Ceph is not asked: it may be out of reach just now. */
  async detach(id: string): Promise<void> {
    if (/^vol-[0-9a-f]{40}$/.test(id)) await this.#images.detach(id);
  }

  async refresh({ id }: VolumeReference): Promise<void> {
    const { sizeBytes } = await this.#backend.imageOf(id);
    await this.#images.refresh(id, sizeBytes);
  }
}
