import type { RequestCounts } from '../../http/counter.ts';
import type { Cloud, IdentityService } from '../../port.ts';
import { SimulatedCompute } from './compute.ts';
import { SimulatedImages } from './image.ts';
import { SimulatedNetwork } from './network.ts';
import { SimulatedVolumes } from './volume.ts';
import { PROJECT_ID, USER_ID, World, type SimulationOptions } from './world.ts';

export interface SimulatedCloudOptions extends SimulationOptions {
  /** Whether there is a Cinder. Default true. */
  readonly volumes?: boolean;
}

/** A cloud without servers: keeps the port's promises in memory, for tests of thousands of them. */
export class SimulatedCloud implements Cloud {
  readonly name = 'simulated';
  readonly identity: IdentityService;
  readonly compute: SimulatedCompute;
  readonly network: SimulatedNetwork;
  readonly image: SimulatedImages;
  readonly volume?: SimulatedVolumes;
  readonly #world: World;

  constructor(options: SimulatedCloudOptions = {}) {
    const world = new World(options);
    this.#world = world;
    this.identity = { whoAmI: async () => ({ userId: USER_ID, userName: 'simulated', projectId: PROJECT_ID, projectName: 'simulated', roles: ['member'] }) };
    this.network = new SimulatedNetwork(world);
    this.image = new SimulatedImages(world);
    const volume = options.volumes === false ? undefined : new SimulatedVolumes(world, this.image);
    if (volume !== undefined) this.volume = volume;
    this.compute = new SimulatedCompute(world, { network: this.network, image: this.image, volume });
  }

  get requests(): RequestCounts {
    return this.#world.requests;
  }

  /** So many servers that run, each with an address. */
  populate(count: number): void {
    for (let index = 0; index < count; index += 1) this.compute.add({ name: `server-${index}`, flavorId: 'm1.tiny', networks: 'auto' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#world.close();
  }
}
