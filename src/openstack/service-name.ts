/** Services as this program calls them; catalogs have several names for some. */
export type ServiceName = 'identity' | 'compute' | 'network' | 'image' | 'volume' | 'placement';

export const SERVICE_NAMES: readonly ServiceName[] = ['identity', 'compute', 'network', 'image', 'volume', 'placement'];

/** What catalogs call each, the best first: https://service-types.openstack.org/ */
export const SERVICE_TYPES: Readonly<Record<ServiceName, readonly string[]>> = {
  identity: ['identity'],
  compute: ['compute'],
  network: ['network'],
  image: ['image'],
  volume: ['block-storage', 'volumev3', 'block-store', 'volume'],
  placement: ['placement'],
};
