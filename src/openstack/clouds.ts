import { parse, YAMLParseError } from 'yaml';
import { YadoError } from '../base/errors.ts';
import { CloudFields } from './identity/cloud-fields.ts';
import { SERVICE_NAMES, SERVICE_TYPES, type ServiceName } from './service-name.ts';
import type { Secret } from './secret.ts';

/** By id, or by name in a domain. */
export type DomainReference = { readonly id: string } | { readonly name: string };
export type NamedReference = { readonly id: string } | { readonly name: string; readonly domain: DomainReference };

export type CloudCredentials =
  | { readonly kind: 'password'; readonly user: NamedReference; readonly password: Secret; readonly project: NamedReference }
  | { readonly kind: 'applicationCredential'; readonly credential: { readonly id: string } | { readonly name: string; readonly user: NamedReference }; readonly secret: Secret }
  /** Of a token that cannot be renewed: good for as long as it lives. Without a project it stays the one of the token. */
  | { readonly kind: 'token'; readonly token: Secret; readonly project?: NamedReference };

export type EndpointInterface = 'public' | 'internal' | 'admin';

/** A PEM text, or the path of a file with it. */
export type PemSource = { readonly kind: 'text'; readonly pem: string } | { readonly kind: 'file'; readonly path: string };

/** One cloud of a clouds.yaml, frozen: https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html */
export interface CloudSettings {
  readonly name: string;
  /** Of Keystone, ending with `/v3`. */
  readonly authUrl: string;
  readonly credentials: CloudCredentials;
  /** Absent: the only one that the catalog has. */
  readonly region?: string;
  readonly interface: EndpointInterface;
  readonly tls: { readonly verify: boolean; readonly ca?: PemSource; readonly client?: { readonly certificate: PemSource; readonly key: PemSource } };
  /** Addresses of services that are used instead of the catalog's. */
  readonly endpoints: Readonly<Partial<Record<ServiceName, string>>>;
  /** Highest microversions that may be used. */
  readonly microversions: Readonly<Partial<Record<ServiceName, string>>>;
}

export interface ParseCloudsOptions {
  /** Which of them. Absent: the only one. */
  readonly name?: string;
  /** Whether it may name files of this host; false where others wrote it. Default true. */
  readonly files?: boolean;
}

/** A clouds.yaml cannot be used as it is; the message names cloud, field and what is allowed, and shows no secret. */
export class CloudSettingsError extends YadoError {
  readonly cloud: string;
  readonly field: string;

  constructor(cloud: string, field: string, message: string) {
    super('InvalidCloudSettings', message, { disposition: 'stalled' });
    this.cloud = cloud;
    this.field = field;
  }
}

const AUTH_TYPES: Readonly<Record<string, CloudCredentials['kind']>> = {
  password: 'password', v3password: 'password',
  v3applicationcredential: 'applicationCredential', application_credential: 'applicationCredential',
  token: 'token', v3token: 'token',
};
const INTERFACES: readonly EndpointInterface[] = ['public', 'internal', 'admin'];

/** The settings of one cloud. Throws CloudSettingsError. */
export function parseClouds(text: string, options: ParseCloudsOptions = {}): CloudSettings {
  const clouds = cloudsOf(text);
  const names = Object.keys(clouds);
  const name = options.name ?? (names.length === 1 ? names[0] : undefined);
  if (name === undefined) throw new CloudSettingsError('', 'clouds', `clouds.yaml has ${names.length === 0 ? 'no clouds' : `the clouds ${names.join(', ')}: say which`}`);
  if (!Object.hasOwn(clouds, name)) throw new CloudSettingsError(name, 'clouds', `clouds.yaml has no cloud "${name}"; it has ${names.join(', ') || 'none'}`);
  return settingsOf(new CloudFields(name, '', clouds[name], fault), options.files ?? true);
}

function cloudsOf(text: string): Readonly<Record<string, unknown>> {
  let document: unknown;
  try {
    // The messages of the parser quote lines, which may hold passwords.
    document = parse(text, { prettyErrors: false, logLevel: 'error' });
  } catch (error) {
    throw new CloudSettingsError('', '', `clouds.yaml is no YAML${error instanceof YAMLParseError ? ` (${error.code} at character ${error.pos[0]})` : ''}`);
  }
  const clouds = (document as { readonly clouds?: unknown } | null | undefined)?.clouds;
  if (typeof clouds !== 'object' || clouds === null || Array.isArray(clouds)) throw new CloudSettingsError('', 'clouds', 'clouds.yaml must have clouds, each by its name');
  return clouds as Readonly<Record<string, unknown>>;
}

function settingsOf(cloud: CloudFields, files: boolean): CloudSettings {
  const auth = cloud.section('auth');
  const region = cloud.text('region_name');
  return Object.freeze({
    name: cloud.cloud,
    authUrl: authUrlOf(auth),
    credentials: Object.freeze(credentialsOf(cloud, auth)),
    ...(region === undefined ? {} : { region }),
    interface: interfaceOf(cloud),
    tls: Object.freeze(tlsOf(cloud, files)),
    endpoints: perService(cloud, 'endpoint_override', (value) => isUrl(value), 'a URL such as https://cloud.example:8774/v2.1'),
    microversions: perService(cloud, 'default_microversion', (value) => /^[0-9]+\.[0-9]+$/.test(value), 'a microversion such as 2.79'),
  });
}

function authUrlOf(auth: CloudFields): string {
  const text = auth.required('auth_url', 'the address of Keystone, such as https://cloud.example:5000/v3');
  if (!isUrl(text)) throw auth.fault('auth_url', text, 'it must be a URL such as https://cloud.example:5000/v3');
  const url = text.replace(/\/+$/, '');
  if (url.endsWith('/v2.0')) throw auth.fault('auth_url', text, 'Keystone v2.0 is not spoken any more: it must end with /v3');
  return url.endsWith('/v3') ? url : `${url}/v3`;
}

function credentialsOf(cloud: CloudFields, auth: CloudFields): CloudCredentials {
  const type = cloud.text('auth_type') ?? (auth.has('application_credential_secret') ? 'v3applicationcredential' : 'password');
  const kind = Object.hasOwn(AUTH_TYPES, type) ? AUTH_TYPES[type] : undefined;
  switch (kind) {
    case 'password': {
      const user = referenceTo(auth, 'user', 'username');
      return { kind, user, password: auth.secret('password'), project: projectOf(auth, user) ?? missingProject(auth) };
    }
    case 'applicationCredential': {
      const id = auth.text('application_credential_id');
      const secret = auth.secret('application_credential_secret');
      if (id !== undefined) return { kind, credential: Object.freeze({ id }), secret };
      const name = auth.required('application_credential_name', 'the id of an application credential in application_credential_id, or its name and its user');
      return { kind, credential: Object.freeze({ name, user: referenceTo(auth, 'user', 'username') }), secret };
    }
    case 'token': {
      const project = projectOf(auth, undefined);
      return { kind, token: auth.secret('token'), ...(project === undefined ? {} : { project }) };
    }
    case undefined: throw cloud.fault('auth_type', type, `it must be one of ${Object.keys(AUTH_TYPES).join(', ')}`);
  }
}

function referenceTo(auth: CloudFields, what: 'user' | 'project', nameField: string, domain?: DomainReference): NamedReference {
  const id = auth.text(`${what}_id`);
  if (id !== undefined) return Object.freeze({ id });
  const name = auth.required(nameField, `the name of the ${what}, or its id in ${what}_id`);
  return Object.freeze({ name, domain: domainOf(auth, what) ?? domain ?? missingDomain(auth, what) });
}

/** A project without a domain is looked for in that of the user. */
function projectOf(auth: CloudFields, user: NamedReference | undefined): NamedReference | undefined {
  const nameField = auth.has('tenant_name') && !auth.has('project_name') ? 'tenant_name' : 'project_name';
  if (!auth.has('project_id') && !auth.has(nameField)) return undefined;
  return referenceTo(auth, 'project', nameField, user !== undefined && 'domain' in user ? user.domain : undefined);
}

function domainOf(auth: CloudFields, what: 'user' | 'project'): DomainReference | undefined {
  for (const field of [`${what}_domain`, 'default_domain', 'domain']) {
    const id = auth.text(`${field}_id`);
    if (id !== undefined) return Object.freeze({ id });
    const name = auth.text(`${field}_name`);
    if (name !== undefined) return Object.freeze({ name });
  }
  const bare = auth.text('default_domain');
  return bare === undefined ? undefined : Object.freeze({ id: bare });
}

function missingProject(auth: CloudFields): never {
  throw auth.fault('project_name', undefined, 'it must name the project, or project_id its id');
}

function missingDomain(auth: CloudFields, what: string): never {
  throw auth.fault(`${what}_domain_name`, undefined, `it must name the domain of the ${what}, often Default, or ${what}_domain_id its id`);
}

function interfaceOf(cloud: CloudFields): EndpointInterface {
  const field = cloud.has('interface') || !cloud.has('endpoint_type') ? 'interface' : 'endpoint_type';
  const text = cloud.text(field) ?? 'public';
  const found = INTERFACES.find((one) => one === text.replace(/URL$/, ''));
  if (found === undefined) throw cloud.fault(field, text, `it must be one of ${INTERFACES.join(', ')}`);
  return found;
}

function tlsOf(cloud: CloudFields, files: boolean): CloudSettings['tls'] {
  const ca = pemOf(cloud, 'cacert', files);
  const certificate = pemOf(cloud, 'cert', files);
  const key = pemOf(cloud, 'key', files);
  if ((certificate === undefined) !== (key === undefined)) throw cloud.fault(certificate === undefined ? 'cert' : 'key', undefined, 'cert and key must both be there, or neither');
  return {
    verify: cloud.flag('verify') ?? true,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined || key === undefined ? {} : { client: Object.freeze({ certificate, key }) }),
  };
}

function pemOf(cloud: CloudFields, field: string, files: boolean): PemSource | undefined {
  const text = cloud.text(field);
  if (text === undefined) return undefined;
  if (text.includes('-----BEGIN ')) return Object.freeze({ kind: 'text', pem: text });
  if (!files) throw cloud.fault(field, field === 'key' ? undefined : text, 'it must be a PEM text, since files of this host are not read');
  return Object.freeze({ kind: 'file', path: text });
}

function perService(cloud: CloudFields, suffix: string, allowed: (value: string) => boolean, expected: string): Readonly<Partial<Record<ServiceName, string>>> {
  const values: Partial<Record<ServiceName, string>> = {};
  for (const service of SERVICE_NAMES) {
    for (const type of new Set([service, ...SERVICE_TYPES[service]])) {
      const field = `${type.replaceAll('-', '_')}_${suffix}`;
      const value = cloud.text(field);
      if (value === undefined) continue;
      if (!allowed(value)) throw cloud.fault(field, value, `it must be ${expected}`);
      values[service] ??= value.replace(/\/+$/, '');
    }
  }
  return Object.freeze(values);
}

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).username === '' && new URL(text).password === '';
}

function fault(cloud: string, field: string, message: string): CloudSettingsError {
  return new CloudSettingsError(cloud, field, message);
}
