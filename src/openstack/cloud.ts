import { readFile } from 'node:fs/promises';
import { systemClock, type Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { CloudSettingsError, type CloudSettings, type PemSource } from './clouds.ts';
import { NovaCompute } from './compute/nova.ts';
import { HttpClient, type HttpOptions } from './http.ts';
import type { TlsOptions } from './http/connections.ts';
import type { RequestCounts } from './http/counter.ts';
import { GlanceImages } from './image/glance.ts';
import { NeutronNetwork } from './network/neutron.ts';
import { Placement } from './placement/placement.ts';
import type { Cloud, Identity, IdentityService } from './port.ts';
import { regionOf, serviceFacts, type ServiceFacts } from './service-facts.ts';
import { Session } from './session.ts';
import { CinderVolumes } from './volume/cinder.ts';

export interface ConnectOptions extends Omit<HttpOptions, 'tls' | 'clock'> {
  readonly clock?: Clock;
  /** Objects in a page of a list, 1…1000. Default 500. */
  readonly pageSize?: number;
  /** Of the connecting; what comes after has signals of its own. */
  readonly signal?: AbortSignal;
}

export interface CloudDescription {
  /** Absent where there are several, of which none was chosen. */
  readonly region?: string;
  readonly services: readonly ServiceFacts[];
}

/** A real cloud, over HTTP. */
export class OpenStackCloud implements Cloud {
  readonly name: string;
  readonly identity: IdentityService;
  readonly compute: NovaCompute;
  readonly network: NeutronNetwork;
  readonly image: GlanceImages;
  readonly volume?: CinderVolumes;
  readonly placement?: Placement;
  readonly #http: HttpClient;
  readonly #session: Session;

  private constructor(session: Session, http: HttpClient, pageSize: number, services: { readonly volume: boolean; readonly placement: boolean }) {
    this.#http = http;
    this.#session = session;
    this.name = session.settings.name;
    this.identity = { whoAmI: (signal) => identityOf(session, signal) };
    this.compute = new NovaCompute(session, pageSize);
    this.network = new NeutronNetwork(session, pageSize);
    this.image = new GlanceImages(session, pageSize);
    if (services.volume) this.volume = new CinderVolumes(session, pageSize);
    if (services.placement) this.placement = new Placement(session);
  }

  /** Authenticates, which shows what the cloud has. Rejects with CloudSettingsError or OpenStackError. */
  static async connect(settings: CloudSettings, options: ConnectOptions = {}): Promise<OpenStackCloud> {
    const { pageSize = 500, signal, clock = systemClock, ...rest } = options;
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 1000) throw new RangeError(`pageSize is ${pageSize}: it must be 1 to 1000`);
    const http = new HttpClient({ ...rest, clock, tls: await tlsOf(settings) });
    const session = new Session(settings, http, clock);
    try {
      return new OpenStackCloud(session, http, pageSize, { volume: await session.has('volume', signal), placement: await session.has('placement', signal) });
    } catch (error) {
      session[Symbol.dispose]();
      http[Symbol.dispose]();
      throw error;
    }
  }

  get requests(): RequestCounts {
    return this.#http.requests;
  }

  /** What it has for whoever signs in as the settings say. */
  async describe(signal?: AbortSignal): Promise<CloudDescription> {
    const [services, region] = [await serviceFacts(this.#session, signal), await regionOf(this.#session, signal)];
    return { services, ...(region === undefined ? {} : { region }) };
  }

  /** Calls that are under way end with an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
    this.#http[Symbol.dispose]();
  }
}

async function identityOf(session: Session, signal?: AbortSignal): Promise<Identity> {
  const { userId, userName, projectId, projectName, roles } = await session.token(signal);
  return { userId, userName, projectId, projectName, roles };
}

async function tlsOf(settings: CloudSettings): Promise<TlsOptions> {
  const { verify, ca, client } = settings.tls;
  return {
    verify,
    ...(ca === undefined ? {} : { ca: await pemOf(settings, 'cacert', ca) }),
    ...(client === undefined ? {} : { certificate: await pemOf(settings, 'cert', client.certificate), key: await pemOf(settings, 'key', client.key) }),
  };
}

async function pemOf({ name }: CloudSettings, field: string, source: PemSource): Promise<string> {
  if (source.kind === 'text') return source.pem;
  const text = await readFile(source.path, 'utf8').catch((error: unknown) => {
    throw new CloudSettingsError(name, field, `clouds.yaml: ${field} of cloud "${name}" is ${JSON.stringify(source.path)}, which cannot be read: ${messageOf(error)}`);
  });
  if (text.includes('-----BEGIN ')) return text;
  throw new CloudSettingsError(name, field, `clouds.yaml: ${field} of cloud "${name}" is ${JSON.stringify(source.path)}: it must be a file in PEM form`);
}
