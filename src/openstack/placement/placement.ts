import { path, ServiceClient, type ServiceShape } from '../service.ts';
import type { Session } from '../session.ts';
import { known, type Wire } from '../wire.ts';
import type { PlacementService, ResourceInventory, ResourceProvider } from './port.ts';

export const PLACEMENT: ServiceShape = { name: 'placement', microversions: { major: 1, range: { minimum: '1.14', maximum: '1.39' }, sent: true } };

/** https://docs.openstack.org/api-ref/placement/ */
export class Placement implements PlacementService {
  readonly #service: ServiceClient;

  constructor(session: Session) {
    this.#service = new ServiceClient(session, PLACEMENT);
  }

  /** The service has no pages. */
  async resourceProviders(signal?: AbortSignal): Promise<readonly ResourceProvider[]> {
    return (await this.#service.call('GET', '/resource_providers', { signal })).each('resource_providers', (one) => known({
      id: one.text('uuid'), name: one.text('name'), generation: one.number('generation'), parentId: one.textIf('parent_provider_uuid'),
    }));
  }

  async inventories(providerId: string, signal?: AbortSignal): Promise<Readonly<Record<string, ResourceInventory>>> {
    const inventories = (await this.#service.call('GET', path`/resource_providers/${providerId}/inventories`, { signal })).object('inventories');
    return byClass(inventories, (name) => {
      const one = inventories.object(name);
      return known({ total: one.number('total'), reserved: one.number('reserved'), allocationRatio: one.number('allocation_ratio') });
    });
  }

  async usages(providerId: string, signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const usages = (await this.#service.call('GET', path`/resource_providers/${providerId}/usages`, { signal })).object('usages');
    return byClass(usages, (name) => usages.number(name));
  }
}

function byClass<T>(wire: Wire, read: (name: string) => T): Readonly<Record<string, T>> {
  return Object.freeze(Object.fromEntries(wire.entries().map(([name]) => [name, read(name)])));
}
