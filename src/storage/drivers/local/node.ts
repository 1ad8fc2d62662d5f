import { StorageError, type Attachment, type NodeVolumes, type VolumeReference } from '../../port.ts';
import type { LocalBackend } from './backend.ts';
import type { LoopDevices } from './loop-devices.ts';

/** Local volumes as loop devices of the node that has them. */
export class LocalNodeVolumes implements NodeVolumes {
  readonly #backend: LocalBackend;
  readonly #loops: LoopDevices;

  constructor(backend: LocalBackend, loops: LoopDevices) {
    this.#backend = backend;
    this.#loops = loops;
  }

  async attach({ id, readOnly }: VolumeReference): Promise<Attachment> {
    await this.#existing(id);
    return { kind: 'device', path: await this.#loops.attach(this.#backend.dataOf(id), readOnly) };
  }

  async detach(id: string): Promise<void> {
    await this.#loops.detach(this.#backend.dataOf(id));
  }

  async attached(): Promise<readonly string[]> {
    const volumes = await this.#backend.list();
    const devices = await Promise.all(volumes.map(({ id }) => this.#loops.of(this.#backend.dataOf(id))));
    return volumes.flatMap(({ id }, index) => ((devices[index]?.length ?? 0) > 0 ? [id] : []));
  }

  async refresh({ id }: VolumeReference, sizeBytes: number): Promise<void> {
    await this.#existing(id);
    await this.#backend.expand(id, sizeBytes);
    await this.#loops.refresh(this.#backend.dataOf(id));
  }

  async #existing(id: string): Promise<void> {
    if ((await this.#backend.get(id)) === undefined) throw new StorageError('VolumeNotFound', `there is no volume ${id} on this node`);
  }
}
