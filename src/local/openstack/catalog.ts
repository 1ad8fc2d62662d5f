import type { OpenStackApi } from './api.ts';
import { authUrl, REGION, serviceUsers, type OpenStackPlace } from './place.ts';

interface Service {
  readonly type: string;
  readonly name: string;
  /** Where it is served. */
  readonly url: string;
}

/** What the catalog lists. */
export function catalogServices(place: Pick<OpenStackPlace, 'address' | 'ports'>): readonly Service[] {
  const { address, ports } = place;
  return [
    { type: 'identity', name: 'keystone', url: authUrl(place) },
    { type: 'compute', name: 'nova', url: `http://${address}:${ports.nova}/v2.1` },
    { type: 'network', name: 'neutron', url: `http://${address}:${ports.neutron}` },
    { type: 'image', name: 'glance', url: `http://${address}:${ports.glance}` },
    { type: 'volumev3', name: 'cinderv3', url: `http://${address}:${ports.cinder}/v3/%(project_id)s` },
    { type: 'block-storage', name: 'cinder', url: `http://${address}:${ports.cinder}/v3/%(project_id)s` },
    { type: 'placement', name: 'placement', url: `http://${address}:${ports.placement}` },
  ];
}

/** Gives the catalog's endpoints of a database that was made elsewhere this place. */
export function endpointStatements(place: Pick<OpenStackPlace, 'address' | 'ports'>): readonly string[] {
  return catalogServices(place).map(({ type, url }) => `UPDATE keystone.endpoint JOIN keystone.service ON service.id = endpoint.service_id SET endpoint.url = '${url}' WHERE service.type = '${type}';`);
}

/** Makes the users of services, and the catalog but for the identity service, which is there already. */
export async function makeCatalog(admin: OpenStackApi, place: Pick<OpenStackPlace, 'address' | 'ports'>, secret: string): Promise<void> {
  const { project } = await admin.post<{ readonly project: { readonly id: string } }>('identity', '/projects', { project: { name: 'service', domain_id: 'default' } });
  const { role } = await admin.post<{ readonly role: { readonly id: string } }>('identity', '/roles', { role: { name: 'service' } });
  const roles = [role.id, await roleId(admin, 'admin')];
  for (const name of serviceUsers) {
    const { user } = await admin.post<{ readonly user: { readonly id: string } }>('identity', '/users', { user: { name, domain_id: 'default', password: secret } });
    for (const id of roles) await admin.put('identity', `/projects/${project.id}/users/${user.id}/roles/${id}`);
  }
  for (const { type, name, url } of catalogServices(place).slice(1)) {
    const { service } = await admin.post<{ readonly service: { readonly id: string } }>('identity', '/services', { service: { type, name } });
    for (const kind of ['public', 'internal', 'admin']) await admin.post('identity', '/endpoints', { endpoint: { interface: kind, region_id: REGION, url, service_id: service.id } });
  }
}

export async function roleId(admin: OpenStackApi, name: string): Promise<string> {
  const { roles } = await admin.get<{ readonly roles: readonly { readonly id: string }[] }>('identity', `/roles?name=${name}`);
  return roles[0]?.id ?? '';
}
