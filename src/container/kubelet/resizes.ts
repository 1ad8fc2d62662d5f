import { amountOf } from '../../base/quantity.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';

type Resources = NonNullable<ContainerSpec['resources']>;

const RESIZABLE = ['cpu', 'memory'] as const;

/** What containers that run have been given, when their definition asks for something else by now. */
export class Resizes {
  readonly #given = new Map<string, Resources>();

  /** Begins with what the API has been told. */
  constructor({ status }: PodManifest) {
    for (const { containerID = '', resources } of [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]) {
      if (resources !== undefined) this.#given.set(containerID.replace(/^.*:\/\//, ''), resources as Resources);
    }
  }

  /** What a container has; as it was defined when it was seen first. */
  givenTo(id: string, { resources = {} }: ContainerSpec): Resources {
    const known = this.#given.get(id);
    if (known === undefined) this.#given.set(id, resources);
    return known ?? resources;
  }

  /** What it takes to give a container what its definition says. */
  changeOf(id: string, container: ContainerSpec): 'none' | 'update' | 'restart' {
    const given = this.givenTo(id, container);
    const { resources = {} } = container;
    const changed = RESIZABLE.filter((name) => (['requests', 'limits'] as const).some((kind) => amountOf(given[kind]?.[name]) !== amountOf(resources[kind]?.[name])));
    if (changed.length === 0) return 'none';
    const policies = (container['resizePolicy'] ?? []) as readonly { readonly resourceName: string; readonly restartPolicy: string }[];
    return changed.some((name) => policies.some(({ resourceName, restartPolicy }) => resourceName === name && restartPolicy === 'RestartContainer')) ? 'restart' : 'update';
  }

  done(id: string, { resources = {} }: ContainerSpec): void {
    this.#given.set(id, resources);
  }

  /** Forgets containers that are gone. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#given.keys()) if (!ids.has(id)) this.#given.delete(id);
  }
}
