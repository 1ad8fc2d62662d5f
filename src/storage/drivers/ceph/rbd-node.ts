import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { Attachment, NodeVolumes, VolumeReference } from '../../port.ts';
import { lackingOf, pythonModule, type Needed } from './programs.ts';
import type { RbdBackend } from './rbd-backend.ts';

/** A way to have images as devices of this node. Calls may be repeated. */
export interface AttachedImages {
  /** Path of the device. */
  attach(id: string, image: string, readOnly: boolean, door: Door): Promise<string>;
  detach(id: string): Promise<void>;
  /** The device has at least this many bytes afterwards. */
  refresh(id: string, sizeBytes: number): Promise<void>;
  /** What it takes. */
  readonly needed: readonly Needed[];
  /** Ids of volumes of which there is something on this node. */
  attached(): Promise<readonly string[]>;
  /** Addresses of the clients that there are on this node. */
  clients(): Promise<readonly string[]>;
}

/** What decides whether a client of Ceph may be used. */
export interface Door {
  /** The address of the client that the image is opened by. */
  clientOf(open: () => Promise<void>): Promise<string>;
  /** Before anything is written by it. False: this client is shut out, and another one is needed. Rejects where the node may have none. */
  admit(address: string): Promise<boolean>;
}

/** Images of Ceph as block devices of this node. */
export class RbdNodeVolumes implements NodeVolumes {
  readonly #backend: RbdBackend;
  readonly #images: AttachedImages;
  readonly #node: string;
  readonly #log: Log;

  constructor(backend: RbdBackend, images: AttachedImages, node: string, log: Log) {
    this.#backend = backend;
    this.#images = images;
    this.#node = node;
    this.#log = log;
  }

  async attach({ id, readOnly }: VolumeReference): Promise<Attachment> {
    const { publishing } = this.#backend;
    const [{ image }] = await Promise.all([this.#backend.imageOf(id), publishing.mustHave(id, this.#node)]);
    const path = await this.#images.attach(id, image, readOnly, {
      clientOf: (open) => this.#backend.clientOf(id, image, open),
      admit: (address) => publishing.admit(id, this.#node, address),
    });
    return { kind: 'device', path };
  }

  /** Ceph need not answer: it may be out of reach just now. */
  async detach(id: string): Promise<void> {
    if (!/^vol-[0-9a-f]{40}$/.test(id)) return;
    await this.#images.detach(id);
    await this.settle(id);
  }

  lacking(): Promise<string | undefined> {
    return lackingOf([pythonModule('rados'), pythonModule('rbd'), ...this.#images.needed]);
  }

  attached(): Promise<readonly string[]> {
    return this.#images.attached();
  }

  async refresh({ id }: VolumeReference): Promise<void> {
    const { sizeBytes } = await this.#backend.imageOf(id);
    await this.#images.refresh(id, sizeBytes);
  }

  /** Clients of the volume, or of all, that have ended are forgotten. */
  async settle(id?: string): Promise<void> {
    await this.#backend.publishing.settle(this.#node, id, () => this.#images.clients()).catch((error: unknown) => this.#log.warn({ volume: id, error: messageOf(error) }, 'clients of this node that have ended are still known to Ceph'));
  }
}
