import { systemClock } from '../../base/clock.ts';
import { YadoError } from '../../base/errors.ts';
import type { Progress } from '../../base/progress.ts';
import type { KubeClient } from '../../kube/client.ts';
import { openStackMigrations, type OpenStackMigration } from '../../kube/yadokari.ts';
import { progressLine, sayOf } from './migration-text.ts';

export interface MigrationWait {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  readonly patienceMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const LOOK_MS = 500;

/** The migration once it is as far as one of the reasons of its condition Complete says. Throws YadoError: `MigrationBlocked` where it waits for a person, `MigrationNotThere` when it takes too long. */
export async function migrationReaches(title: string, wanted: ReadonlySet<string>, { client, namespace, name, patienceMs, progress, signal }: MigrationWait): Promise<OpenStackMigration> {
  return progress.step(title, async (step) => {
    for (const giveUpAt = systemClock.now() + patienceMs; ;) {
      const migration = await client.get(openStackMigrations, { namespace, name }, signal);
      const isSeen = migration.status?.conditions?.every(({ observedGeneration }) => observedGeneration === migration.metadata.generation) === true;
      const { reason, message } = sayOf(migration);
      if (isSeen && wanted.has(reason)) return migration;
      if (isSeen && reason === 'Blocked') throw new YadoError('MigrationBlocked', `OpenStackMigration ${name} waits for you: ${message}`, { disposition: 'stalled' });
      if (systemClock.now() > giveUpAt) throw new YadoError('MigrationNotThere', `OpenStackMigration ${name} is ${reason} after ${patienceMs / 1000} s: ${message}; it goes on`, { disposition: 'stalled' });
      step.update(migration.status?.servers === undefined ? message : progressLine(migration.status));
      await systemClock.sleep(LOOK_MS, signal);
    }
  });
}
