import { authUrl, INSIDE, REGION, type OpenStackPlace } from '../place.ts';
import type { Section, Sections } from './ini.ts';

/** What configurations are made of. */
export interface ConfSource extends Pick<OpenStackPlace, 'address' | 'ports'> {
  /** Of all users of services. */
  readonly secret: string;
  /** Of servers that ask for no availability zone. */
  readonly zone: string;
}

/** All of a service's parts are one process, so that messages need no broker. */
export const TRANSPORT = 'fake://';
export const DATABASE_SOCKET = `${INSIDE}/mariadb.sock`;
const PROGRAMS = `${INSIDE}/programs`;

export function database(name: string): Section {
  return { connection: `mysql+pymysql://root@localhost/${name}?unix_socket=${DATABASE_SOCKET}&charset=utf8`, max_pool_size: 5, max_overflow: 50 };
}

/** A file of the unpacked packages. */
export function packaged(path: string): string {
  return `${PROGRAMS}/${path}`;
}

/** How one service signs in to ask another. */
export function credentials(source: ConfSource, user: string): Section {
  return {
    auth_url: authUrl(source), auth_type: 'password', username: user, password: source.secret, project_name: 'service',
    user_domain_id: 'default', project_domain_id: 'default', region_name: REGION,
  };
}

/** What every service has: how it checks tokens, where its locks are, and that it tells nobody what it does. */
export function shared(source: ConfSource, user: string): Sections {
  return {
    keystone_authtoken: {
      ...credentials(source, user), www_authenticate_uri: authUrl(source), memcached_servers: `${source.address}:${source.ports.memcached}`,
      service_token_roles: 'service', service_token_roles_required: true,
    },
    oslo_concurrency: { lock_path: `${INSIDE}/lock` },
    oslo_messaging_notifications: { driver: 'noop' },
  };
}
