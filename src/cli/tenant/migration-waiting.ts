import { YadoError } from '../../base/errors.ts';
import { openStackMigrations, type OpenStackMigration } from '../../kube/yadokari.ts';
import { progressLine, sayOf } from './migration-text.ts';
import { lookUntilFound, type Wait } from './waiting.ts';

/** The migration once it is as far as one of the reasons of its condition Complete says. Throws YadoError: `MigrationBlocked` where it waits for a person, `MigrationNotThere` when it takes too long. */
export async function migrationReaches(title: string, wanted: ReadonlySet<string>, wait: Wait): Promise<OpenStackMigration> {
  const { client, namespace, name, signal } = wait;
  return lookUntilFound(title, wait, 'MigrationNotThere', `OpenStackMigration ${name} goes on, and is not there`, async () => {
    const migration = await client.get(openStackMigrations, { namespace, name }, signal);
    const isSeen = migration.status?.conditions?.every(({ observedGeneration }) => observedGeneration === migration.metadata.generation) === true;
    const { reason, message } = sayOf(migration);
    if (isSeen && wanted.has(reason)) return { found: migration };
    if (isSeen && reason === 'Blocked') throw new YadoError('MigrationBlocked', `OpenStackMigration ${name} waits for you: ${message}`, { disposition: 'stalled' });
    return { said: `${reason}: ${message}`, shown: migration.status?.servers === undefined ? message : progressLine(migration.status) };
  });
}
