import type { CsiVolumes } from '../env/csi-volumes.ts';

/** Ids of what was made, by name: whoever uses them later need not ask again while a clock runs. */
export class Made {
  readonly #create: (name: string, more?: object) => Promise<string>;
  readonly #ids = new Map<string, string>();

  constructor(create: (name: string, more?: object) => Promise<string>) {
    this.#create = create;
  }

  async create(name: string, more?: object): Promise<string> {
    const id = await this.#create(name, more);
    this.#ids.set(name, id);
    return id;
  }

  async snapshot(volumes: CsiVolumes, volume: string, name: string): Promise<void> {
    this.#ids.set(name, await volumes.snapshot(this.id(volume), name));
  }

  id(name: string): string {
    const id = this.#ids.get(name);
    if (id === undefined) throw new Error(`there is no ${name}`);
    return id;
  }
}
