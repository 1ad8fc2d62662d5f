import { cellDown, ifMissing, OpenStackError } from '../errors.ts';
import type { Microversion } from '../microversion.ts';
import type { Page } from '../page.ts';
import { quotasOf, type Quotas } from '../quota.ts';
import { Secret } from '../secret.ts';
import { path, ServiceClient, type ServiceShape } from '../service.ts';
import type { Session } from '../session.ts';
import { known, type Wire } from '../wire.ts';
import { bodyOfAction, bodyOfServer } from './bodies.ts';
import type { ComputeService, CreatedServer, InterfaceRequest, ServerAction, ServerRequest, VolumeAttachmentRequest } from './port.ts';
import type { Flavor, Interface, Keypair, RemoteConsole, RemoteConsoleType, Server, ServerEntry, ServerGroup, VolumeAttachment } from './types.ts';
import { flavorOf, interfaceOf, isPart, keypairOf, serverEntryOf, serverGroupOf, serverOf, volumeAttachmentOf } from './wire.ts';

export const NOVA: ServiceShape = {
  name: 'compute',
  version: { segment: 'v2.1', pattern: /\/v2\.1(\/|$)/ },
  microversions: { major: 2, range: { minimum: '2.1', maximum: '2.93' }, sent: true },
};

const CONSOLE_PROTOCOLS: Readonly<Record<RemoteConsoleType, string>> = { novnc: 'vnc', 'spice-html5': 'spice', serial: 'serial', 'rdp-html5': 'rdp', webmks: 'mks' };
const SMALL_THINGS_PAGE = 1000;

/** https://docs.openstack.org/api-ref/compute/ */
export class NovaCompute implements ComputeService {
  readonly #service: ServiceClient;
  readonly #pageSize: number;

  constructor(session: Session, pageSize: number) {
    this.#service = new ServiceClient(session, NOVA);
    this.#pageSize = pageSize;
  }

  supports(version: Microversion, signal?: AbortSignal): Promise<boolean> {
    return this.#service.supports(version, signal);
  }

  servers(signal?: AbortSignal): AsyncIterable<Page<ServerEntry>> {
    return this.#servers({}, signal);
  }

  serverChanges(sinceMs: number, signal?: AbortSignal): AsyncIterable<Page<ServerEntry>> {
    return this.#servers({ 'changes-since': `${new Date(sinceMs).toISOString().slice(0, 19)}Z` }, signal);
  }

  server(id: string, signal?: AbortSignal): Promise<Server | undefined> {
    return this.#service.find(path`/servers/${id}`, (answer) => wholeServer(answer.object('server')), signal);
  }

  async createServer(request: ServerRequest, signal?: AbortSignal): Promise<CreatedServer> {
    if (request.tags !== undefined) await this.#service.need('2.52', 'to tag a server that is made', signal);
    if (typeof request.networks === 'string') await this.#service.need('2.37', 'to make a server without naming networks', signal);
    const server = (await this.#service.call('POST', '/servers', { body: bodyOfServer(await this.#spoken(request, signal)), signal })).object('server');
    const password = server.textIf('adminPass');
    return known({ id: server.text('id'), adminPassword: password === undefined ? undefined : new Secret(password) });
  }

  async updateServer(id: string, changes: { readonly name?: string; readonly description?: string }, signal?: AbortSignal): Promise<Server> {
    if (changes.description !== undefined) await this.#service.need('2.19', 'to describe a server', signal);
    return serverOf((await this.#service.call('PUT', path`/servers/${id}`, { body: { server: changes }, signal })).object('server'));
  }

  async setMetadata(id: string, metadata: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void> {
    await this.#service.send('PUT', path`/servers/${id}/metadata`, { body: { metadata }, signal });
  }

  async setTags(id: string, tags: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#service.need('2.26', 'to tag a server', signal);
    await this.#service.send('PUT', path`/servers/${id}/tags`, { body: { tags }, signal });
  }

  deleteServer(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/servers/${id}`, signal);
  }

  async act(id: string, action: ServerAction, signal?: AbortSignal): Promise<void> {
    // The lock is what matters, its reason only tells people.
    const spoken = action.kind === 'lock' && !await this.supports('2.73', signal) ? { kind: action.kind } : action;
    await this.#service.send('POST', path`/servers/${id}/action`, { body: bodyOfAction(spoken), signal });
  }

  async consoleOutput(id: string, lines?: number, signal?: AbortSignal): Promise<string> {
    const answer = await this.#service.call('POST', path`/servers/${id}/action`, { body: { 'os-getConsoleOutput': lines === undefined ? {} : { length: lines } }, signal });
    return answer.textIf('output') ?? '';
  }

  async remoteConsole(id: string, type: RemoteConsoleType, signal?: AbortSignal): Promise<RemoteConsole> {
    await this.#service.need(type === 'webmks' ? '2.8' : '2.6', `a console of type ${type}`, signal);
    const answer = await this.#service.call('POST', path`/servers/${id}/remote-consoles`, { body: { remote_console: { protocol: CONSOLE_PROTOCOLS[type], type } }, signal });
    return known({ type, url: new Secret(answer.object('remote_console').text('url')) });
  }

  /** Before 2.45 the id is only in the address of the image. */
  async createImage(id: string, name: string, metadata: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<string> {
    const { body, headers } = await this.#service.send('POST', path`/servers/${id}/action`, { body: { createImage: { name, metadata } }, signal });
    const image = (body as { readonly image_id?: unknown } | undefined)?.image_id ?? headers.location?.split('/').at(-1);
    if (typeof image === 'string' && image !== '') return image;
    throw new OpenStackError('InvalidAnswer', `compute: the image of server ${id} has no id`, { service: 'compute' });
  }

  async volumeAttachments(serverId: string, signal?: AbortSignal): Promise<readonly VolumeAttachment[]> {
    return (await this.#service.call('GET', path`/servers/${serverId}/os-volume_attachments`, { signal })).each('volumeAttachments', volumeAttachmentOf);
  }

  async attachVolume(serverId: string, { volumeId, tag, deleteOnTermination }: VolumeAttachmentRequest, signal?: AbortSignal): Promise<VolumeAttachment> {
    if (tag !== undefined) await this.#service.need('2.49', 'to tag a volume', signal);
    if (deleteOnTermination === true) await this.#service.need('2.79', 'to have a volume deleted with its server', signal);
    const flag = deleteOnTermination !== undefined && await this.supports('2.79', signal) ? { delete_on_termination: deleteOnTermination } : {};
    const answer = await this.#service.call('POST', path`/servers/${serverId}/os-volume_attachments`, { body: { volumeAttachment: { volumeId, tag, ...flag } }, signal });
    return volumeAttachmentOf(answer.object('volumeAttachment'));
  }

  detachVolume(serverId: string, volumeId: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/servers/${serverId}/os-volume_attachments/${volumeId}`, signal);
  }

  async interfaces(serverId: string, signal?: AbortSignal): Promise<readonly Interface[]> {
    return (await this.#service.call('GET', path`/servers/${serverId}/os-interface`, { signal })).each('interfaceAttachments', interfaceOf);
  }

  async attachInterface(serverId: string, request: InterfaceRequest, signal?: AbortSignal): Promise<Interface> {
    const interfaceAttachment = request.kind === 'port'
      ? { port_id: request.portId }
      : { net_id: request.networkId, ...(request.address === undefined ? {} : { fixed_ips: [{ ip_address: request.address }] }) };
    return interfaceOf((await this.#service.call('POST', path`/servers/${serverId}/os-interface`, { body: { interfaceAttachment }, signal })).object('interfaceAttachment'));
  }

  detachInterface(serverId: string, portId: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/servers/${serverId}/os-interface/${portId}`, signal);
  }

  async *flavors(signal?: AbortSignal): AsyncGenerator<Page<Flavor>, void, undefined> {
    const whole = await this.supports('2.61', signal);
    for await (const page of this.#service.list({ path: '/flavors/detail', field: 'flavors', read: flavorOf, pageSize: SMALL_THINGS_PAGE, signal })) {
      yield whole ? page : { ...page, items: Object.freeze(await Promise.all(page.items.map((flavor) => this.#withExtraSpecs(flavor, signal)))) };
    }
  }

  async *keypairs(signal?: AbortSignal): AsyncGenerator<Page<Keypair>, void, undefined> {
    const read = (one: Wire): Keypair => keypairOf(one.object('keypair'));
    // Before 2.35 the list comes whole.
    if (await this.supports('2.35', signal)) yield* this.#service.list({ path: '/os-keypairs', field: 'keypairs', read, pageSize: SMALL_THINGS_PAGE, signal });
    else yield await this.#whole('/os-keypairs', 'keypairs', read, signal);
  }

  async createKeypair(name: string, publicKey: string, signal?: AbortSignal): Promise<Keypair> {
    return keypairOf((await this.#service.call('POST', '/os-keypairs', { body: { keypair: { name, public_key: publicKey } }, signal })).object('keypair'));
  }

  deleteKeypair(name: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/os-keypairs/${name}`, signal);
  }

  async *serverGroups(signal?: AbortSignal): AsyncGenerator<Page<ServerGroup>, void, undefined> {
    // Quotas allow few of them. Limits count from an offset there, so that what is deleted meanwhile hides another.
    yield await this.#whole('/os-server-groups', 'server_groups', serverGroupOf, signal);
  }

  async createServerGroup(name: string, policy: string, signal?: AbortSignal): Promise<ServerGroup> {
    const chosen = await this.supports('2.64', signal) ? { policy } : { policies: [policy] };
    return serverGroupOf((await this.#service.call('POST', '/os-server-groups', { body: { server_group: { name, ...chosen } }, signal })).object('server_group'));
  }

  deleteServerGroup(id: string, signal?: AbortSignal): Promise<void> {
    return this.#service.remove(path`/os-server-groups/${id}`, signal);
  }

  async quotas(signal?: AbortSignal): Promise<Quotas> {
    const { projectId } = await this.#service.session.token(signal);
    return quotasOf((await this.#service.call('GET', path`/os-quota-sets/${projectId}/detail`, { signal })).object('quota_set'));
  }

  #servers(query: Readonly<Record<string, string>>, signal?: AbortSignal): AsyncIterable<Page<ServerEntry>> {
    return this.#service.list({ path: '/servers/detail', field: 'servers', read: serverEntryOf, query, pageSize: this.#pageSize, signal });
  }

  async #whole<T>(path: string, field: string, read: (one: Wire) => T, signal?: AbortSignal): Promise<Page<T>> {
    const { body, dateMs } = await this.#service.send('GET', path, { signal });
    return { items: this.#service.wire(path, body).each(field, read), dateMs };
  }

  /** Without what the service is too old to be told and which only tells people something. */
  async #spoken(request: ServerRequest, signal?: AbortSignal): Promise<ServerRequest> {
    const { description, ...rest } = request;
    return description !== undefined && await this.supports('2.19', signal) ? request : rest;
  }

  async #withExtraSpecs(flavor: Flavor, signal?: AbortSignal): Promise<Flavor> {
    // A flavor may be gone by now, or its specs be nobody's business.
    const answer = await this.#service.call('GET', path`/flavors/${flavor.id}/os-extra_specs`, { signal }).catch(ifMissing(undefined));
    return answer === undefined ? flavor : Object.freeze({ ...flavor, extraSpecs: answer.map('extra_specs') });
  }
}

function wholeServer(wire: Wire): Server {
  if (isPart(wire)) throw cellDown(wire.text('id'));
  return serverOf(wire);
}
