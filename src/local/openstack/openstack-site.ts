import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Progress } from '../../base/progress.ts';
import { accepting } from '../control/probe.ts';
import { LocalError } from '../errors.ts';
import { readIfExists, writeFileAtomically } from '../file.ts';
import { OpenStackApi, type Identity } from './api.ts';
import { endpointStatements } from './catalog.ts';
import { LIBVIRT_SOCKET } from './conf/nova.ts';
import { daemonCommand, openStackDaemons, type OpenStackDaemon } from './daemons.ts';
import { Database } from './database.ts';
import { restoreGolden } from './golden.ts';
import { outsideOf } from './namespace.ts';
import { authUrl, fakeHosts, LIBVIRT_HOST, zones, type OpenStackPlace, type OpenStackShape } from './place.ts';
import type { Listener } from './ports.ts';
import { layOut, layOutLibvirt } from './site-files.ts';
import { servedAt } from './waiting.ts';

export interface BringUpOptions {
  /** Starts a daemon with its command, and keeps it. It need not serve yet. */
  readonly start: (daemon: OpenStackDaemon) => Promise<void>;
  /** The archive that the first time begins with, as ensureGolden gives it. */
  readonly golden: string;
  readonly progress: Progress;
  /** Aborts the waiting too, as when a daemon ends. */
  readonly signal?: AbortSignal;
}

const PATIENCE_MS = 600_000;
const PROBE_MS = 200;

/** A real OpenStack of one machine, all of it in one folder. Nobody carries packets between its networks. */
export class OpenStackSite {
  readonly database: Database;
  readonly #place: OpenStackPlace;
  readonly #shape: OpenStackShape;

  constructor(place: OpenStackPlace, shape: OpenStackShape = {}) {
    this.#place = place;
    this.#shape = shape;
    this.database = new Database(place);
  }

  /** Where one signs in. */
  get authUrl(): string {
    return authUrl(this.#place);
  }

  /** Its processes, in an order in which they can be started. */
  get daemons(): readonly OpenStackDaemon[] {
    return openStackDaemons.filter((daemon) => daemon !== 'libvirt' || this.#shape.libvirt === true);
  }

  /** Whose servers are records only. */
  get fakeHosts(): readonly string[] {
    return fakeHosts(this.#shape);
  }

  get hosts(): readonly string[] {
    return [...this.fakeHosts, ...(this.#shape.libvirt === true ? [LIBVIRT_HOST] : [])];
  }

  /** The command of a daemon, which stays in front and speaks to standard error. */
  commandOf(daemon: OpenStackDaemon): readonly string[] {
    return daemonCommand(daemon, this.#place, this.#shape);
  }

  /** Who may do everything. There once all was brought up. */
  async administrator(): Promise<Identity> {
    return { user: 'admin', password: await this.#secret(), project: 'admin' };
  }

  async signIn(identity: Identity, signal?: AbortSignal): Promise<OpenStackApi> {
    return OpenStackApi.signIn(this.authUrl, identity, signal);
  }

  /** Brings all up, at the first time from the archive. Throws LocalError `OpenStackNotUp`, or what the signal aborts with. */
  async bringUp({ start, golden, progress, signal }: BringUpOptions): Promise<void> {
    const limit = AbortSignal.timeout(PATIENCE_MS);
    const over = new AbortController();
    const until = AbortSignal.any([...(signal === undefined ? [] : [signal]), limit, over.signal]);
    await progress.step('Starting OpenStack', async (step) => {
      const update = (detail: string) => step.update(detail);
      try {
        update('its files');
        await this.#unpack(golden);
        await this.#startDatabases(start, update, until);
        await this.#startServices(start, update, until);
        update('the hosts of servers');
        await this.#hostsUp(until);
      } catch (error) {
        signal?.throwIfAborted();
        if (limit.aborted) throw new LocalError('OpenStackNotUp', `OpenStack is not up after ${PATIENCE_MS / 1000} s; the logs of its services tell more.`, { cause: error, disposition: 'retry' });
        throw error;
      } finally {
        // What still waits when another part has failed waits for nothing.
        over.abort();
      }
    });
  }

  async #unpack(golden: string): Promise<void> {
    const { folder } = this.#place;
    if (await readIfExists(this.#made) === undefined) {
      await rm(folder, { recursive: true, force: true });
      await restoreGolden(golden, folder);
      await writeFileAtomically(this.#made, '');
    }
    await layOut(this.#place, this.#shape, await this.#secret());
    if (this.#shape.libvirt === true) await layOutLibvirt(this.#place);
  }

  async #startDatabases(start: BringUpOptions['start'], update: (detail: string) => void, signal: AbortSignal): Promise<void> {
    update('its databases');
    await start('mariadb');
    await start('memcached');
    if (this.#shape.libvirt === true) await start('libvirt');
    await this.database.answering(signal);
    await this.database.sql(...endpointStatements(this.#place), ...hostStatements(this.hosts));
  }

  async #startServices(start: BringUpOptions['start'], update: (detail: string) => void, signal: AbortSignal): Promise<void> {
    const services: readonly Listener[] = ['keystone', 'placement', 'neutron', 'glance', 'cinder', 'nova'];
    const waiting = new Set(services);
    const served = async (service: Listener) => {
      await servedAt(this.#urlOf(service), signal);
      waiting.delete(service);
      if (waiting.size > 0) update(`waiting for ${[...waiting].join(', ')}`);
    };
    update(`waiting for ${services.join(', ')}`);
    const startOne = async (service: Exclude<Listener, 'memcached'>) => {
      await start(service);
      await served(service);
    };
    // Hosts of servers register themselves while Nova starts.
    const early = Promise.all([startOne('keystone'), startOne('placement')]);
    const nova = async () => {
      await early;
      if (this.#shape.libvirt === true) await accepting({ path: outsideOf(this.#place, LIBVIRT_SOCKET) }, signal);
      await startOne('nova');
    };
    await Promise.all([nova(), startOne('neutron'), startOne('glance'), startOne('cinder')]);
  }

  /** Servers can be asked for when all hosts are known, and volumes when their backend is up. */
  async #hostsUp(signal: AbortSignal): Promise<void> {
    const admin = await this.signIn(await this.administrator(), signal);
    const wanted = this.hosts.length;
    const all = async () => (await admin.get<{ readonly hypervisors: readonly object[] }>('compute', '/os-hypervisors')).hypervisors.length;
    while (await all() < wanted) await delay(PROBE_MS, undefined, { signal });
    const volumes = async () => (await admin.get<{ readonly services: readonly { readonly binary: string; readonly state: string }[] }>('volumev3', '/os-services')).services.some(({ binary, state }) => binary === 'cinder-volume' && state === 'up');
    while (!(await volumes())) await delay(PROBE_MS, undefined, { signal });
    if (this.#shape.libvirt === true) await makeZone(admin);
  }

  #urlOf(service: Listener): string {
    return `http://${this.#place.address}:${this.#place.ports[service]}/`;
  }

  async #secret(): Promise<string> {
    return (await readFile(join(this.#place.folder, 'secret'), 'utf8')).trim();
  }

  /** There once the folder holds what the archive has. */
  get #made(): string {
    return join(this.#place.folder, 'made');
  }
}

/** Hosts belong to the one cell before they are there: looking for new ones takes Nova's own command seconds. */
export function hostStatements(hosts: readonly string[]): readonly string[] {
  return hosts.map((host) => `INSERT IGNORE INTO nova_api.host_mappings (created_at, cell_id, host) SELECT NOW(), id, '${host}' FROM nova_api.cell_mappings WHERE name = 'cell1';`);
}

/** Guests are for those who ask for them: all other servers stay records. */
async function makeZone(admin: OpenStackApi): Promise<void> {
  const { aggregates } = await admin.get<{ readonly aggregates: readonly { readonly name: string }[] }>('compute', '/os-aggregates');
  if (aggregates.some(({ name }) => name === zones.libvirt)) return;
  const { aggregate } = await admin.post<{ readonly aggregate: { readonly id: number } }>('compute', '/os-aggregates', { aggregate: { name: zones.libvirt, availability_zone: zones.libvirt } });
  await admin.post('compute', `/os-aggregates/${aggregate.id}/action`, { add_host: { host: LIBVIRT_HOST } });
}
