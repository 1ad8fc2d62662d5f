import type { ComputeService, CreatedServer, InterfaceRequest, ServerAction, ServerRequest, VolumeAttachmentRequest } from '../../compute/port.ts';
import type { Flavor, Interface, Keypair, RemoteConsole, RemoteConsoleType, Server, ServerEntry, ServerFlavor, ServerGroup, VolumeAttachment } from '../../compute/types.ts';
import { cellDown } from '../../errors.ts';
import type { Microversion } from '../../microversion.ts';
import type { Port } from '../../network/types.ts';
import type { Page } from '../../page.ts';
import type { Quotas } from '../../quota.ts';
import { Secret } from '../../secret.ts';
import { known } from '../../wire.ts';
import type { SimulatedImages } from './image.ts';
import type { SimulatedNetwork } from './network.ts';
import { transitionOf } from './server-states.ts';
import type { SimulatedVolumes } from './volume.ts';
import { PROJECT_ID, USER_ID, type World } from './world.ts';

export interface SimulatedServices {
  readonly network: SimulatedNetwork;
  readonly image: SimulatedImages;
  readonly volume: SimulatedVolumes | undefined;
}

type Changes = { readonly [K in keyof Server]?: Server[K] | undefined };

/** Nova in memory: servers are built, take actions when their state allows it, and leave tombstones. */
export class SimulatedCompute implements ComputeService {
  readonly table = new Map<string, Server>();
  /** Ids of servers whose part of the cloud does not answer. */
  readonly unreachable = new Set<string>();
  readonly #tombstones = new Map<string, { readonly id: string; readonly updatedAtMs: number }>();
  readonly #flavors = new Map<string, Flavor>();
  readonly #keypairs = new Map<string, Keypair>();
  readonly #groups = new Map<string, ServerGroup>();
  /** Ports that Nova made, and takes away again. */
  readonly #ownPorts = new Set<string>();
  readonly #world: World;
  readonly #services: SimulatedServices;

  constructor(world: World, services: SimulatedServices) {
    this.#world = world;
    this.#services = services;
    for (const [name, vcpus, memoryMiB, diskGiB] of [['m1.tiny', 1, 512, 1], ['m1.small', 1, 2048, 20], ['m1.large', 4, 8192, 80]] as const) {
      this.#flavors.set(name, Object.freeze({ id: name, name, vcpus, memoryMiB, diskGiB, ephemeralGiB: 0, swapMiB: 0, extraSpecs: {}, public: true, disabled: false }));
    }
  }

  supports(version: Microversion): Promise<boolean> {
    return this.#world.supports('2.93', version);
  }

  async *servers(signal?: AbortSignal): AsyncGenerator<Page<ServerEntry>, void, undefined> {
    for await (const page of this.#world.pages('compute', 'GET /servers/detail', this.table, signal)) yield { ...page, items: page.items.map((server) => this.#entry(server)) };
  }

  async *serverChanges(sinceMs: number, signal?: AbortSignal): AsyncGenerator<Page<ServerEntry>, void, undefined> {
    const since = Math.floor(sinceMs / 1000) * 1000;
    const changed = new Map<string, Server | { readonly id: string }>();
    for (const table of [this.table, this.#tombstones]) for (const [id, one] of table) if (one.updatedAtMs >= since) changed.set(id, one);
    const sorted = new Map([...changed].sort(([a], [b]) => (a < b ? -1 : 1)));
    for await (const page of this.#world.pages('compute', 'GET /servers/detail?changes-since', sorted, signal)) {
      yield { ...page, items: page.items.map((one) => ('status' in one ? this.#entry(one) : { kind: 'gone' as const, id: one.id })) };
    }
  }

  async server(id: string, signal?: AbortSignal): Promise<Server | undefined> {
    await this.#world.call('compute', 'GET /servers/id', signal);
    if (this.unreachable.has(id)) throw cellDown(id);
    return this.table.get(id);
  }

  async createServer(request: ServerRequest, signal?: AbortSignal): Promise<CreatedServer> {
    await this.#world.call('compute', 'POST /servers', signal);
    const { instances = Infinity, buildMs = 1000 } = this.#world.options;
    if (this.table.size >= instances) throw this.#world.error('compute', 'QuotaExceeded', `Quota exceeded for instances: Requested 1, but already used ${this.table.size} of ${instances} instances`);
    const server = this.#build(request);
    this.#later(buildMs, server.id, { status: 'ACTIVE', power: 'running', task: undefined, launchedAtMs: this.#world.nowMs() + buildMs });
    return { id: server.id };
  }

  async updateServer(id: string, changes: { readonly name?: string; readonly description?: string }, signal?: AbortSignal): Promise<Server> {
    await this.#world.call('compute', 'PUT /servers/id', signal);
    this.#expect(id);
    return this.change(id, changes);
  }

  async setMetadata(id: string, metadata: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'PUT /servers/id/metadata', signal);
    this.#expect(id);
    this.change(id, { metadata });
  }

  /** As with a real one it shows in no list of changes. */
  async setTags(id: string, tags: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'PUT /servers/id/tags', signal);
    this.table.set(id, Object.freeze({ ...this.#expect(id), tags }));
  }

  async deleteServer(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'DELETE /servers/id', signal);
    if (this.table.has(id)) this.remove(id);
  }

  async act(id: string, action: ServerAction, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'POST /servers/id/action', signal);
    if (action.kind === 'lock') return void this.change(id, { locked: true, lockedReason: action.reason });
    if (action.kind === 'unlock') return void this.change(id, { locked: false, lockedReason: undefined });
    const server = this.#expectUnlocked(id);
    const transition = transitionOf(action);
    if (transition === undefined) return;
    if (!transition.from.includes(server.status) || server.task !== undefined) throw this.#world.error('compute', 'Conflict', `Cannot '${action.kind}' instance ${id} while it is in vm_state ${server.status.toLowerCase()}`);
    const flavor = action.kind === 'resize' ? this.#flavor(action.flavorId) : server.flavor;
    this.change(id, { task: transition.task });
    this.#later(this.#world.options.actionMs ?? 500, id, { status: transition.to, power: transition.power, task: undefined, flavor });
  }

  async consoleOutput(id: string, lines?: number, signal?: AbortSignal): Promise<string> {
    await this.#world.call('compute', 'POST /servers/id/action', signal);
    return [`${this.#expect(id).name} login:`].slice(-(lines ?? 1)).join('\n');
  }

  async remoteConsole(id: string, type: RemoteConsoleType, signal?: AbortSignal): Promise<RemoteConsole> {
    await this.#world.call('compute', 'POST /servers/id/remote-consoles', signal);
    return { type, url: new Secret(`https://simulated.invalid/${this.#expect(id).id}?token=${this.#world.nextId('token')}`) };
  }

  async createImage(id: string, name: string, metadata: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<string> {
    await this.#world.call('compute', 'POST /servers/id/action', signal);
    const { task } = this.#expect(id);
    if (task !== undefined) throw this.#world.error('compute', 'Conflict', `Cannot 'createImage' instance ${id} while it is in task_state ${task}`);
    const image = this.#services.image.begin(name, 'raw', metadata);
    this.change(id, { task: 'image_uploading' });
    // After the image is there.
    this.#later(this.#world.options.actionMs ?? 500, id, { task: undefined });
    return image.id;
  }

  async volumeAttachments(serverId: string, signal?: AbortSignal): Promise<readonly VolumeAttachment[]> {
    await this.#world.call('compute', 'GET /servers/id/os-volume_attachments', signal);
    return this.#expect(serverId).volumes.map(({ id, deleteOnTermination }) => known({ serverId, volumeId: id, deleteOnTermination }));
  }

  async attachVolume(serverId: string, { volumeId, deleteOnTermination = false }: VolumeAttachmentRequest, signal?: AbortSignal): Promise<VolumeAttachment> {
    await this.#world.call('compute', 'POST /servers/id/os-volume_attachments', signal);
    this.#expectUnlocked(serverId);
    const status = this.#services.volume?.table.get(volumeId)?.status;
    if (status !== 'available') throw this.#world.error('compute', status === undefined ? 'NotFound' : 'InvalidRequest', `volume ${volumeId} is ${status ?? 'not there'}`);
    this.#attach(serverId, volumeId, deleteOnTermination);
    return { serverId, volumeId, deleteOnTermination };
  }

  async detachVolume(serverId: string, volumeId: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'DELETE /servers/id/os-volume_attachments/id', signal);
    if (!this.table.has(serverId)) return;
    const server = this.#expectUnlocked(serverId);
    this.table.set(serverId, Object.freeze({ ...server, volumes: server.volumes.filter(({ id }) => id !== volumeId) }));
    this.#services.volume?.change(volumeId, { status: 'available', attachments: [] });
  }

  async interfaces(serverId: string, signal?: AbortSignal): Promise<readonly Interface[]> {
    await this.#world.call('compute', 'GET /servers/id/os-interface', signal);
    return this.#portsOf(serverId).map(interfaceOf);
  }

  async attachInterface(serverId: string, request: InterfaceRequest, signal?: AbortSignal): Promise<Interface> {
    await this.#world.call('compute', 'POST /servers/id/os-interface', signal);
    const port = this.#plug(this.#expect(serverId).id, request);
    this.#showAddresses(serverId);
    return interfaceOf(port);
  }

  async detachInterface(serverId: string, portId: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'DELETE /servers/id/os-interface/id', signal);
    this.#unplug(portId);
    this.#showAddresses(serverId);
  }

  flavors(signal?: AbortSignal): AsyncIterable<Page<Flavor>> {
    return this.#world.pages('compute', 'GET /flavors', this.#flavors, signal);
  }

  keypairs(signal?: AbortSignal): AsyncIterable<Page<Keypair>> {
    return this.#world.pages('compute', 'GET /os-keypairs', this.#keypairs, signal);
  }

  async createKeypair(name: string, publicKey: string, signal?: AbortSignal): Promise<Keypair> {
    await this.#world.call('compute', 'POST /os-keypairs', signal);
    if (this.#keypairs.has(name)) throw this.#world.error('compute', 'Conflict', `Key pair '${name}' already exists.`);
    const keypair: Keypair = Object.freeze({ name, publicKey, fingerprint: this.#world.nextId('fingerprint'), type: 'ssh' });
    this.#keypairs.set(name, keypair);
    return keypair;
  }

  async deleteKeypair(name: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'DELETE /os-keypairs/name', signal);
    this.#keypairs.delete(name);
  }

  serverGroups(signal?: AbortSignal): AsyncIterable<Page<ServerGroup>> {
    return this.#world.pages('compute', 'GET /os-server-groups', this.#groups, signal);
  }

  async createServerGroup(name: string, policy: string, signal?: AbortSignal): Promise<ServerGroup> {
    await this.#world.call('compute', 'POST /os-server-groups', signal);
    const group: ServerGroup = Object.freeze({ id: this.#world.nextId('group'), name, policy, members: [] });
    this.#groups.set(group.id, group);
    return group;
  }

  async deleteServerGroup(id: string, signal?: AbortSignal): Promise<void> {
    await this.#world.call('compute', 'DELETE /os-server-groups/id', signal);
    this.#groups.delete(id);
  }

  async quotas(signal?: AbortSignal): Promise<Quotas> {
    await this.#world.call('compute', 'GET /os-quota-sets', signal);
    return { instances: known({ limit: this.#world.options.instances, used: this.table.size, reserved: 0 }) };
  }

  /** A server that runs already, as if it had been there before. */
  add(request: ServerRequest): Server {
    const { id } = this.#build(request);
    return this.change(id, { status: 'ACTIVE', power: 'running', task: undefined });
  }

  /** What happens to it by itself, such as a crash. */
  change(id: string, fields: Changes): Server {
    const server = this.table.get(id);
    if (server === undefined) throw this.#world.error('compute', 'NotFound', `Instance ${id} could not be found.`);
    const changed: Server = known({ ...server, ...fields, updatedAtMs: this.#world.nowMs() } as Server);
    this.table.set(id, changed);
    return changed;
  }

  remove(id: string): void {
    const { volumes } = this.#expect(id);
    for (const port of this.#portsOf(id)) this.#unplug(port.id);
    for (const { id: volume, deleteOnTermination } of volumes) {
      if (deleteOnTermination === true) this.#services.volume?.table.delete(volume);
      else this.#services.volume?.change(volume, { status: 'available', attachments: [] });
    }
    this.table.delete(id);
    this.#tombstones.set(id, { id, updatedAtMs: this.#world.nowMs() });
  }

  #entry(server: Server): ServerEntry {
    return this.unreachable.has(server.id) ? { kind: 'unreachable', id: server.id } : { kind: 'present', server };
  }

  #later(ms: number, id: string, fields: Changes): void {
    this.#world.later(ms, () => {
      if (this.table.has(id)) this.change(id, fields);
    });
  }

  #build(request: ServerRequest): Server {
    const nowMs = this.#world.nowMs();
    const flavor = this.#flavor(request.flavorId);
    const id = this.#world.nextId('server');
    this.table.set(id, known({
      id, name: request.name, status: 'BUILD' as const, task: 'spawning', power: 'none' as const, projectId: PROJECT_ID, userId: USER_ID, flavor, imageId: request.imageId, createdAtMs: nowMs, updatedAtMs: nowMs, addresses: [],
      keyName: request.keyName, metadata: request.metadata ?? {}, tags: request.tags ?? [], securityGroups: request.securityGroups ?? ['default'], availabilityZone: request.availabilityZone ?? 'nova', hostId: 'simulated-host',
      configDrive: request.configDrive ?? false, volumes: [], locked: false, description: request.description, hostname: request.name,
    }));
    const networks = request.networks === 'none' ? [] : request.networks === 'auto' ? [{ kind: 'network' as const, networkId: this.#services.network.lan.id }] : request.networks;
    for (const network of networks) this.#plug(id, network);
    for (const { source, deleteOnTermination } of request.disks ?? []) if (source.kind === 'volume') this.#attach(id, source.id, deleteOnTermination);
    this.#showAddresses(id);
    return this.#expect(id);
  }

  #expect(id: string): Server {
    return this.table.get(id) ?? (() => { throw this.#world.error('compute', 'NotFound', `Instance ${id} could not be found.`); })();
  }

  #expectUnlocked(id: string): Server {
    const server = this.#expect(id);
    if (server.locked) throw this.#world.error('compute', 'Conflict', `Instance ${id} is locked`);
    return server;
  }

  #flavor(id: string): ServerFlavor {
    const flavor = this.#flavors.get(id);
    if (flavor === undefined) throw this.#world.error('compute', 'InvalidRequest', `Flavor ${id} could not be found.`);
    const { id: _, public: __, disabled: ___, ...copy } = flavor;
    return Object.freeze({ kind: 'copy', ...copy });
  }

  #attach(serverId: string, volumeId: string, deleteOnTermination: boolean): void {
    const server = this.#expect(serverId);
    this.table.set(serverId, Object.freeze({ ...server, volumes: [...server.volumes, { id: volumeId, deleteOnTermination }] }));
    this.#services.volume?.change(volumeId, { status: 'in-use', attachments: [{ attachmentId: this.#world.nextId('attachment'), serverId }] });
  }

  #plug(serverId: string, request: InterfaceRequest): Port {
    if (request.kind === 'port') {
      const port = this.#services.network.change(request.portId, { deviceId: serverId, deviceOwner: 'compute:nova', status: 'ACTIVE' });
      return port ?? (() => { throw this.#world.error('compute', 'InvalidRequest', `Port ${request.portId} could not be found.`); })();
    }
    const port = this.#services.network.plug({ networkId: request.networkId }, serverId);
    this.#ownPorts.add(port.id);
    return port;
  }

  #unplug(portId: string): void {
    if (this.#ownPorts.delete(portId)) this.#services.network.drop(portId);
    else this.#services.network.unplug(portId);
  }

  #portsOf(serverId: string): readonly Port[] {
    return this.#services.network.portsOf(serverId);
  }

  /** As with a real one it shows in no list of changes. */
  #showAddresses(serverId: string): void {
    const server = this.table.get(serverId);
    if (server === undefined) return;
    const addresses = this.#portsOf(serverId).flatMap((port) => port.addresses.map(({ address }) => ({ network: this.#services.network.table.networks.get(port.networkId)?.name ?? '', address, version: 4 as const, macAddress: port.macAddress, kind: 'fixed' as const })));
    this.table.set(serverId, Object.freeze({ ...server, addresses }));
  }
}

function interfaceOf(port: Port): Interface {
  return { portId: port.id, networkId: port.networkId, macAddress: port.macAddress, state: port.status, addresses: port.addresses };
}
