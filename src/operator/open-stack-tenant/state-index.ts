import type { Flavor, Server, ServerGroup } from '../../openstack/compute/types.ts';
import type { InventoryState } from '../../openstack/inventory/state.ts';
import type { Port } from '../../openstack/network/types.ts';
import type { Volume } from '../../openstack/volume/port.ts';

type Index<T> = ReadonlyMap<string, readonly T[]>;

/** What is looked for from the other side, such as the ports of a server. Made anew only for kinds that have changed. */
export class StateIndex {
  readonly #made = new WeakMap<object, Index<unknown>>();

  portsOf(state: InventoryState, serverId: string): readonly Port[] {
    return this.#index(state.ports, ({ deviceId }) => (deviceId === undefined ? [] : [deviceId])).get(serverId) ?? [];
  }

  volumesOf(state: InventoryState, serverId: string): readonly Volume[] {
    return this.#index(state.volumes, ({ attachments }) => attachments.map((attachment) => attachment.serverId)).get(serverId) ?? [];
  }

  groupsOf(state: InventoryState, serverId: string): readonly ServerGroup[] {
    return this.#index(state.serverGroups, ({ members }) => members).get(serverId) ?? [];
  }

  serversOfImage(state: InventoryState, imageId: string): readonly Server[] {
    return this.#index(state.servers, ({ imageId: id }) => (id === undefined ? [] : [id])).get(imageId) ?? [];
  }

  /** Since 2.47 a server knows its flavor by name. */
  flavorOf(state: InventoryState, { flavor }: Pick<Server, 'flavor'>): Flavor | undefined {
    return flavor.kind === 'reference' ? state.flavors.get(flavor.id) : this.#index(state.flavors, ({ name }) => [name]).get(flavor.name)?.[0];
  }

  #index<T>(objects: ReadonlyMap<string, T>, keysOf: (object: T) => readonly string[]): Index<T> {
    const known = this.#made.get(objects) as Index<T> | undefined;
    if (known !== undefined) return known;
    const index = new Map<string, T[]>();
    for (const object of objects.values()) {
      for (const key of keysOf(object)) {
        const found = index.get(key);
        if (found === undefined) index.set(key, [object]);
        else found.push(object);
      }
    }
    this.#made.set(objects, index);
    return index;
  }
}
