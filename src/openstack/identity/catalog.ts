import type { EndpointInterface } from '../clouds.ts';
import { OpenStackError } from '../errors.ts';
import { SERVICE_TYPES, type ServiceName } from '../service-name.ts';
import { known, type Wire } from '../wire.ts';

export interface CatalogEndpoint {
  /** As the catalog calls the service. */
  readonly type: string;
  readonly interface: string;
  readonly region?: string;
  readonly url: string;
}

/** Endpoints of all services of a cloud, as a token came with them. */
export type Catalog = readonly CatalogEndpoint[];

export interface EndpointChoice {
  readonly region?: string;
  readonly interface: EndpointInterface;
}

export function catalogOf(token: Wire): Catalog {
  return Object.freeze(token.objectsIf('catalog').flatMap((service) => service.objectsIf('endpoints').map((endpoint) => known({
    type: service.text('type'),
    interface: endpoint.text('interface'),
    region: endpoint.textIf('region_id') ?? endpoint.textIf('region'),
    url: endpoint.text('url'),
  }))));
}

export function hasService(catalog: Catalog, service: ServiceName): boolean {
  return offersOf(catalog, service).length > 0;
}

/**
 * Where a service is. Throws ServiceMissing when the cloud has none, and EndpointMissing, which lists what there is,
 * when it has none in this region and interface, or in several regions of which none was chosen.
 */
export function endpointOf(catalog: Catalog, service: ServiceName, choice: EndpointChoice): string {
  const offers = offersOf(catalog, service);
  if (offers.length === 0) throw new OpenStackError('ServiceMissing', `the cloud has no service ${service}; its catalog lists ${listed(catalog.map(({ type }) => type))}`, { service });
  const fits = offers.filter((offer) => offer.interface === choice.interface && (choice.region === undefined || offer.region === choice.region));
  const regions = new Set(fits.map(({ region }) => region));
  const [best] = fits;
  if (best !== undefined && regions.size === 1) return best.url;
  const there = listed(offers.map((offer) => `${offer.interface} in ${offer.region ?? 'no region'}`));
  throw new OpenStackError('EndpointMissing', best === undefined
    ? `${service} has no ${choice.interface} endpoint${choice.region === undefined ? '' : ` in the region "${choice.region}"`}: set interface and region_name to one of ${there}`
    : `${service} is in several regions: set region_name to one of ${listed([...regions].map(String))}`, { service });
}

/** The best type first. Services of earlier major versions than ours are not spoken to. */
function offersOf(catalog: Catalog, service: ServiceName): Catalog {
  return SERVICE_TYPES[service].flatMap((type) => catalog.filter((offer) => offer.type === type && !(service === 'volume' && /\/v[12](\/|$)/.test(offer.url))));
}

function listed(texts: readonly string[]): string {
  return [...new Set(texts)].sort().join(', ') || 'nothing';
}
