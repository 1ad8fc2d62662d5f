import type { NetworkService, PortFields, PortRequest } from '../../network/port.ts';
import type { FloatingAddress, Network, NetworkObject, Port, Route, Router, SecurityGroup, Subnet } from '../../network/types.ts';
import type { Page } from '../../page.ts';
import type { Quotas } from '../../quota.ts';
import { known } from '../../wire.ts';
import { PROJECT_ID, type World } from './world.ts';

/** Neutron in memory, with one network, one external one and a router between them. */
export class SimulatedNetwork implements NetworkService {
  readonly table = {
    networks: new Map<string, Network>(), subnets: new Map<string, Subnet>(), ports: new Map<string, Port>(),
    routers: new Map<string, Router>(), floatingips: new Map<string, FloatingAddress>(), 'security-groups': new Map<string, SecurityGroup>(),
  };
  readonly lan: Network;
  /** Ids of ports by that of who has them. */
  readonly #devices = new Map<string, Set<string>>();
  readonly #world: World;
  readonly #subnet: Subnet;
  readonly #external: Network;
  #addresses = 0;

  constructor(world: World) {
    this.#world = world;
    this.lan = this.#network('lan', false);
    this.#external = this.#network('public', true);
    this.#subnet = this.#put('subnets', { ...this.#object('subnet', 'lan-v4'), networkId: this.lan.id, version: 4, cidr: '10.0.0.0/8', gateway: '10.0.0.1', dhcp: true, pools: [{ start: '10.0.0.2', end: '10.255.255.254' }], dnsServers: [], routes: [] });
    this.#put('routers', { ...this.#object('router', 'r1'), status: 'ACTIVE', up: true, routes: [], gateway: { networkId: this.#external.id, addresses: [], snat: true } });
    this.#put('security-groups', { ...this.#object('group', 'default'), stateful: true, rules: [] });
  }

  networks(signal?: AbortSignal): AsyncIterable<Page<Network>> {
    return this.#world.pages('network', 'GET /networks', this.table.networks, signal);
  }

  subnets(signal?: AbortSignal): AsyncIterable<Page<Subnet>> {
    return this.#world.pages('network', 'GET /subnets', this.table.subnets, signal);
  }

  ports({ deviceId }: { readonly deviceId?: string } = {}, signal?: AbortSignal): AsyncIterable<Page<Port>> {
    return this.#world.pages('network', 'GET /ports', this.table.ports, signal, (port) => deviceId === undefined || port.deviceId === deviceId);
  }

  routers(signal?: AbortSignal): AsyncIterable<Page<Router>> {
    return this.#world.pages('network', 'GET /routers', this.table.routers, signal);
  }

  floatingAddresses(signal?: AbortSignal): AsyncIterable<Page<FloatingAddress>> {
    return this.#world.pages('network', 'GET /floatingips', this.table.floatingips, signal);
  }

  securityGroups(signal?: AbortSignal): AsyncIterable<Page<SecurityGroup>> {
    return this.#world.pages('network', 'GET /security-groups', this.table['security-groups'], signal);
  }

  async port(id: string, signal?: AbortSignal): Promise<Port | undefined> {
    await this.#world.call('network', 'GET /ports/id', signal);
    return this.table.ports.get(id);
  }

  async createPort(request: PortRequest, signal?: AbortSignal): Promise<Port> {
    await this.#world.call('network', 'POST /ports', signal);
    if (!this.table.networks.has(request.networkId)) throw this.#world.error('network', 'NotFound', `Network ${request.networkId} could not be found.`);
    return this.plug(request);
  }

  async updatePort(id: string, fields: PortFields, revision: number, signal?: AbortSignal): Promise<Port> {
    await this.#world.call('network', 'PUT /ports/id', signal);
    const port = this.table.ports.get(id);
    if (port === undefined) throw this.#world.error('network', 'NotFound', `Port ${id} could not be found.`);
    if (port.revision !== revision) throw this.#world.error('network', 'RevisionConflict', `Constrained to ${revision}, but current revision is ${port.revision}`);
    const { addresses: _, ...rest } = fields;
    return this.change(id, rest) ?? port;
  }

  async deletePort(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('network', 'DELETE /ports/id', signal);
    this.drop(id);
  }

  async createFloatingAddress(networkId: string, portId?: string, signal?: AbortSignal): Promise<FloatingAddress> {
    await this.#world.call('network', 'POST /floatingips', signal);
    if (networkId !== this.#external.id) throw this.#world.error('network', 'InvalidRequest', `Network ${networkId} is not a valid external network`);
    const address = this.#address('203.0');
    return this.#put('floatingips', { ...this.#object('floatingip', address), address, status: 'DOWN', networkId, ...this.#led(portId) });
  }

  async moveFloatingAddress(id: string, portId: string | undefined, signal?: AbortSignal): Promise<FloatingAddress> {
    await this.#world.call('network', 'PUT /floatingips/id', signal);
    const floating = this.table.floatingips.get(id);
    if (floating === undefined) throw this.#world.error('network', 'NotFound', `Floating IP ${id} could not be found`);
    const { portId: _, fixedAddress: __, ...rest } = floating;
    return this.#put('floatingips', { ...rest, ...this.#led(portId), ...this.#changed(floating) });
  }

  async deleteFloatingAddress(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('network', 'DELETE /floatingips/id', signal);
    this.table.floatingips.delete(id);
  }

  async addRoutes(routerId: string, routes: readonly Route[], signal?: AbortSignal): Promise<void> {
    await this.#world.call('network', 'PUT /routers/id/add_extraroutes', signal);
    const router = this.table.routers.get(routerId);
    if (router === undefined) throw this.#world.error('network', 'NotFound', `Router ${routerId} could not be found`);
    this.#put('routers', { ...router, routes: [...without(router.routes, routes), ...routes], ...this.#changed(router) });
  }

  async removeRoutes(routerId: string, routes: readonly Route[], signal?: AbortSignal): Promise<void> {
    await this.#world.call('network', 'PUT /routers/id/remove_extraroutes', signal);
    const router = this.table.routers.get(routerId);
    if (router !== undefined) this.#put('routers', { ...router, routes: without(router.routes, routes), ...this.#changed(router) });
  }

  async setTags(kind: keyof SimulatedNetwork['table'], id: string, tags: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#world.call('network', `PUT /${kind}/id/tags`, signal);
    const table = this.table[kind] as Map<string, NetworkObject>;
    const object = table.get(id);
    if (object === undefined) throw this.#world.error('network', 'NotFound', `${id} could not be found`);
    table.set(id, Object.freeze({ ...object, tags: Object.freeze([...tags].sort()), ...this.#changed(object) }));
  }

  async extensions(signal?: AbortSignal): Promise<ReadonlySet<string>> {
    await this.#world.call('network', 'GET /extensions', signal);
    return new Set(['router', 'security-group', 'revision-if-match', 'standard-attr-tag']);
  }

  async quotas(signal?: AbortSignal): Promise<Quotas> {
    await this.#world.call('network', 'GET /quotas', signal);
    return { port: { used: this.table.ports.size, reserved: 0 }, floatingip: { used: this.table.floatingips.size, reserved: 0 } };
  }

  /** A port, as Nova makes it too. */
  plug(request: PortRequest, deviceId?: string): Port {
    const id = this.#world.nextId('port');
    return this.#putPort(known({
      ...this.#object('port', request.name ?? '', id),
      description: request.description ?? '',
      networkId: request.networkId,
      macAddress: request.macAddress ?? `fa:16:3e:${id.slice(-6).match(/../g)?.join(':') ?? '00:00:00'}`,
      status: deviceId === undefined ? 'DOWN' : 'ACTIVE',
      up: request.up ?? true,
      deviceId,
      deviceOwner: deviceId === undefined ? undefined : 'compute:nova',
      addresses: [{ subnetId: this.#subnet.id, address: this.#address('10') }],
      allowedPairs: request.allowedPairs ?? [],
      securityGroupIds: request.securityGroupIds ?? [...this.table['security-groups'].keys()],
      portSecurity: request.portSecurity ?? true,
      vnicType: 'normal',
    }));
  }

  /** Undefined where there is no such port. */
  change(id: string, fields: Partial<Port>): Port | undefined {
    const port = this.table.ports.get(id);
    return port === undefined ? undefined : this.#putPort({ ...port, ...known(fields), ...this.#changed(port) });
  }

  portsOf(deviceId: string): readonly Port[] {
    return [...this.#devices.get(deviceId) ?? []].flatMap((id) => this.table.ports.get(id) ?? []);
  }

  drop(portId: string): void {
    this.#leave(portId);
    this.table.ports.delete(portId);
  }

  /** Nova lets go of a port that was not its own. */
  unplug(id: string): void {
    const port = this.table.ports.get(id);
    if (port === undefined) return;
    const { deviceId: _, deviceOwner: __, ...rest } = port;
    this.#putPort({ ...rest, status: 'DOWN', ...this.#changed(port) });
  }

  #network(name: string, external: boolean): Network {
    return this.#put('networks', { ...this.#object('network', name), status: 'ACTIVE', up: true, mtu: 1500, external, shared: false, subnetIds: [], portSecurity: true });
  }

  #object(kind: string, name: string, id = this.#world.nextId(kind)): NetworkObject {
    const nowMs = this.#world.nowMs();
    return { id, name, projectId: PROJECT_ID, description: '', tags: [], createdAtMs: nowMs, updatedAtMs: nowMs, revision: 0 };
  }

  #changed({ revision }: NetworkObject): Pick<NetworkObject, 'revision' | 'updatedAtMs'> {
    return { revision: revision + 1, updatedAtMs: this.#world.nowMs() };
  }

  #led(portId: string | undefined): Pick<FloatingAddress, 'portId' | 'fixedAddress'> {
    if (portId === undefined) return {};
    const port = this.table.ports.get(portId);
    if (port === undefined) throw this.#world.error('network', 'NotFound', `Port ${portId} could not be found.`);
    return known({ portId, fixedAddress: port.addresses[0]?.address });
  }

  #address(prefix: '10' | '203.0'): string {
    const next = ++this.#addresses + 1;
    return prefix === '10' ? `10.${next >> 16}.${(next >> 8) & 255}.${next & 255}` : `203.0.${(next >> 8) & 255}.${next & 255}`;
  }

  #put<T extends NetworkObject>(kind: keyof SimulatedNetwork['table'], object: T): T {
    (this.table[kind] as unknown as Map<string, T>).set(object.id, Object.freeze(object));
    return object;
  }

  #putPort(port: Port): Port {
    this.#leave(port.id);
    if (port.deviceId !== undefined) this.#devices.set(port.deviceId, new Set([...this.#devices.get(port.deviceId) ?? [], port.id]));
    return this.#put('ports', port);
  }

  #leave(portId: string): void {
    const { deviceId } = this.table.ports.get(portId) ?? {};
    if (deviceId !== undefined) this.#devices.get(deviceId)?.delete(portId);
  }
}

function without(routes: readonly Route[], others: readonly Route[]): readonly Route[] {
  return routes.filter((route) => !others.some(({ destination, nextHop }) => route.destination === destination && route.nextHop === nextHop));
}
