import { CommandError, run } from '../../base/process.ts';
import { LocalError } from '../errors.ts';
import { DATABASE_SOCKET } from './conf/common.ts';
import type { Database } from './database.ts';
import { insideOf } from './namespace.ts';
import { authUrl, INSIDE, REGION, type OpenStackPlace } from './place.ts';
import { lastLines } from './tied-processes.ts';

const STEP_MS = 600_000;
const databases = ['keystone', 'glance', 'placement', 'neutron', 'nova', 'nova_api', 'nova_cell0', 'cinder'] as const;

type Command = readonly [program: string, conf: string, ...words: readonly string[]];

/** What makes the tables of all services, as chains that can run at the same time; the slowest come first. */
export function schemaChains(place: Pick<OpenStackPlace, 'address' | 'ports'>, secret: string): readonly (readonly Command[])[] {
  const cell0 = `mysql+pymysql://root@localhost/nova_cell0?unix_socket=${DATABASE_SOCKET}&charset=utf8`;
  const owner = ['--keystone-user', 'root', '--keystone-group', 'root'];
  const urls = ['admin', 'internal', 'public'].flatMap((kind) => [`--bootstrap-${kind}-url`, authUrl(place)]);
  return [
    [
      ['nova-manage', 'nova', 'api_db', 'sync'],
      ['nova-manage', 'nova', 'cell_v2', 'map_cell0', '--database_connection', cell0],
      ['nova-manage', 'nova', 'db', 'sync'],
      ['nova-manage', 'nova', 'cell_v2', 'create_cell', '--name', 'cell1'],
      ['cinder-manage', 'cinder', 'db', 'sync'],
    ],
    [
      ['neutron-db-manage', 'neutron', 'upgrade', 'heads'],
      ['keystone-manage', 'keystone', 'db_sync'],
      ['keystone-manage', 'keystone', 'fernet_setup', ...owner],
      ['keystone-manage', 'keystone', 'credential_setup', ...owner],
      ['keystone-manage', 'keystone', 'bootstrap', '--bootstrap-password', secret, '--bootstrap-region-id', REGION, ...urls],
      ['glance-manage', 'glance-api', 'db_sync'],
      ['placement-manage', 'placement', 'db', 'sync'],
    ],
  ];
}

/** Makes all databases. `tell` hears how many of how many steps are done. */
export async function makeSchemas(database: Database, place: OpenStackPlace, secret: string, tell: (detail: string) => void, signal: AbortSignal): Promise<void> {
  await database.sql(...databases.map((name) => `CREATE DATABASE ${name} CHARACTER SET utf8mb3;`));
  const chains = schemaChains(place, secret);
  const total = chains.flat().length;
  let done = 0;
  await Promise.all(chains.map(async (chain) => {
    for (const [program, conf, ...words] of chain) {
      tell(`${program}, ${done} of ${total} steps done`);
      const [file = '', ...args] = insideOf(place, [program, '--config-file', `${INSIDE}/etc/${conf}.conf`, ...words]);
      await run(file, args, { cwd: '/', timeoutMs: STEP_MS, signal }).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw schemaError(program, cause);
      });
      done += 1;
    }
  }));
}

function schemaError(program: string, cause: unknown): LocalError {
  const said = cause instanceof CommandError ? `:\n${lastLines(cause.stderr)}` : '.';
  return new LocalError('SchemaFailed', `${program} could not make its databases; OpenStack's Debian packages have to be of one release${said}`, { cause });
}
