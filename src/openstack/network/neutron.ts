import { hasCode } from '../errors.ts';
import type { Page } from '../page.ts';
import { quotasOf, type Quotas } from '../quota.ts';
import { path, ServiceClient, type ServiceShape } from '../service.ts';
import type { Session } from '../session.ts';
import type { Wire } from '../wire.ts';
import type { NetworkService, PortFields, PortRequest } from './port.ts';
import type { FloatingAddress, Network, Port, Route, Router, SecurityGroup, Subnet } from './types.ts';
import { floatingAddressOf, networkOf, portOf, routerOf, securityGroupOf, subnetOf } from './wire.ts';

export const NEUTRON: ServiceShape = { name: 'network', version: { segment: 'v2.0', pattern: /\/v2\.0(\/|$)/ } };

/** https://docs.openstack.org/api-ref/network/v2/ */
export class NeutronNetwork implements NetworkService {
  readonly #service: ServiceClient;
  readonly #pageSize: number;

  constructor(session: Session, pageSize: number) {
    this.#service = new ServiceClient(session, NEUTRON);
    this.#pageSize = pageSize;
  }

  networks(signal?: AbortSignal): AsyncIterable<Page<Network>> {
    return this.#list('/networks', 'networks', networkOf, {}, signal);
  }

  subnets(signal?: AbortSignal): AsyncIterable<Page<Subnet>> {
    return this.#list('/subnets', 'subnets', subnetOf, {}, signal);
  }

  async *ports({ deviceId }: { readonly deviceId?: string } = {}, signal?: AbortSignal): AsyncGenerator<Page<Port>, void, undefined> {
    yield* this.#list('/ports', 'ports', portOf, { ...await this.#own(signal), device_id: deviceId }, signal);
  }

  async *routers(signal?: AbortSignal): AsyncGenerator<Page<Router>, void, undefined> {
    yield* this.#list('/routers', 'routers', routerOf, await this.#own(signal), signal);
  }

  async *floatingAddresses(signal?: AbortSignal): AsyncGenerator<Page<FloatingAddress>, void, undefined> {
    yield* this.#list('/floatingips', 'floatingips', floatingAddressOf, await this.#own(signal), signal);
  }

  async *securityGroups(signal?: AbortSignal): AsyncGenerator<Page<SecurityGroup>, void, undefined> {
    yield* this.#list('/security-groups', 'security_groups', securityGroupOf, await this.#own(signal), signal);
  }

  port(id: string, signal?: AbortSignal): Promise<Port | undefined> {
    return this.#service.find(path`/ports/${id}`, (answer) => portOf(answer.object('port')), signal);
  }

  async createPort({ networkId, macAddress, ...fields }: PortRequest, signal?: AbortSignal): Promise<Port> {
    const body = { port: { network_id: networkId, mac_address: macAddress, ...bodyOfPort(fields) } };
    return portOf((await this.#service.call('POST', '/ports', { body, signal })).object('port'));
  }

  async updatePort(id: string, fields: PortFields, revision: number, signal?: AbortSignal): Promise<Port> {
    const headers = { 'if-match': `revision_number=${revision}` };
    return portOf((await this.#service.call('PUT', path`/ports/${id}`, { body: { port: bodyOfPort(fields) }, headers, signal })).object('port'));
  }

  deletePort(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/ports/${id}`, signal);
  }

  async createFloatingAddress(networkId: string, portId?: string, signal?: AbortSignal): Promise<FloatingAddress> {
    const body = { floatingip: { floating_network_id: networkId, port_id: portId } };
    return floatingAddressOf((await this.#service.call('POST', '/floatingips', { body, signal })).object('floatingip'));
  }

  async moveFloatingAddress(id: string, portId: string | undefined, signal?: AbortSignal): Promise<FloatingAddress> {
    const body = { floatingip: { port_id: portId ?? null } };
    return floatingAddressOf((await this.#service.call('PUT', path`/floatingips/${id}`, { body, signal })).object('floatingip'));
  }

  deleteFloatingAddress(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/floatingips/${id}`, signal);
  }

  /** By the extension extraroute-atomic, which Neutron has since Stein. */
  async addRoutes(routerId: string, routes: readonly Route[], signal?: AbortSignal): Promise<void> {
    await this.#service.send('PUT', path`/routers/${routerId}/add_extraroutes`, { body: bodyOfRoutes(routes), signal });
  }

  async removeRoutes(routerId: string, routes: readonly Route[], signal?: AbortSignal): Promise<void> {
    await this.#service.send('PUT', path`/routers/${routerId}/remove_extraroutes`, { body: bodyOfRoutes(routes), signal }).catch((error: unknown) => {
      if (!hasCode(error, 'NotFound')) throw error;
    });
  }

  async setTags(kind: Parameters<NetworkService['setTags']>[0], id: string, tags: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#service.send('PUT', path`/${kind}/${id}/tags`, { body: { tags }, signal });
  }

  async extensions(signal?: AbortSignal): Promise<ReadonlySet<string>> {
    return new Set((await this.#service.call('GET', '/extensions', { signal })).each('extensions', (extension) => extension.text('alias')));
  }

  async quotas(signal?: AbortSignal): Promise<Quotas> {
    const { projectId } = await this.#service.session.token(signal);
    return quotasOf((await this.#service.call('GET', path`/quotas/${projectId}/details.json`, { signal })).object('quota'));
  }

  /** An admin is shown those of all projects otherwise. */
  async #own(signal?: AbortSignal): Promise<{ readonly project_id: string }> {
    return { project_id: (await this.#service.session.token(signal)).projectId };
  }

  /** By id, so that what changes meanwhile moves nothing between pages. */
  #list<T>(path: string, field: string, read: (one: Wire) => T, query: Readonly<Record<string, string | undefined>>, signal?: AbortSignal): AsyncGenerator<Page<T>, void, undefined> {
    return this.#service.list({ path, field, read, query: { ...query, sort_key: 'id', sort_dir: 'asc' }, pageSize: this.#pageSize, asksBeyond: true, signal });
  }
}

function bodyOfPort(fields: PortFields): Readonly<Record<string, unknown>> {
  return {
    name: fields.name,
    description: fields.description,
    admin_state_up: fields.up,
    fixed_ips: fields.addresses?.map((one) => ({ ...('subnetId' in one ? { subnet_id: one.subnetId } : {}), ...('address' in one ? { ip_address: one.address } : {}) })),
    allowed_address_pairs: fields.allowedPairs?.map(({ address, macAddress }) => ({ ip_address: address, mac_address: macAddress })),
    security_groups: fields.securityGroupIds,
    port_security_enabled: fields.portSecurity,
  };
}

function bodyOfRoutes(routes: readonly Route[]): Readonly<Record<string, unknown>> {
  return { router: { routes: routes.map(({ destination, nextHop }) => ({ destination, nexthop: nextHop })) } };
}
