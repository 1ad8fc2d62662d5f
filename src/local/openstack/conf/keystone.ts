import { INSIDE } from '../place.ts';
import { database, type ConfSource } from './common.ts';
import type { Sections } from './ini.ts';

export function keystoneConf({ address, ports }: ConfSource): Sections {
  return {
    DEFAULT: { use_stderr: true },
    database: database('keystone'),
    token: { provider: 'fernet' },
    fernet_tokens: { key_repository: `${INSIDE}/fernet` },
    credential: { key_repository: `${INSIDE}/credential-keys` },
    // Secrets are made here and are long: what makes guessing slow would only make signing in slow.
    identity: { password_hash_rounds: 4 },
    cache: { enabled: true, backend: 'dogpile.cache.memcached', memcache_servers: `${address}:${ports.memcached}` },
    oslo_policy: { enforce_scope: false },
  };
}
