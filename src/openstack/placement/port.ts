/** A host, or a part of one, that has resources. */
export interface ResourceProvider {
  readonly id: string;
  readonly name: string;
  readonly generation: number;
  readonly parentId?: string;
}

export interface ResourceInventory {
  readonly total: number;
  readonly reserved: number;
  /** As often as all of it may be given out. */
  readonly allocationRatio: number;
}

/**
 * Placement, which shows to admins what hosts have. Each call rejects with an OpenStackError: with Forbidden for anybody
 * else. Resources are by their classes, such as `VCPU`, `MEMORY_MB` and `DISK_GB`.
 */
export interface PlacementService {
  resourceProviders(signal?: AbortSignal): Promise<readonly ResourceProvider[]>;
  inventories(providerId: string, signal?: AbortSignal): Promise<Readonly<Record<string, ResourceInventory>>>;
  usages(providerId: string, signal?: AbortSignal): Promise<Readonly<Record<string, number>>>;
}
