import type { ServerMigration } from '../../api/open-stack-migration.ts';
import { areCleared, clearDisks } from './disks.ts';
import { removeCopies } from './disk-move.ts';
import { SOON_MS, waiting, type StepContext, type Stepped } from './step.ts';

/** Of a server that was moved nothing is left to do but to tidy up; and to delete it, when that is said. */
export async function nothingElse(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<Stepped> {
  const areGone = await removeCopies(server, context, signal);
  const cleared = await clearDisks(server, context, signal);
  if (!areCleared(cleared) || !areGone) return waiting(cleared, 'what copies needed is removed', SOON_MS);
  if (context.migration.spec.sources === 'Delete' && server.sourceDeleted !== true) return deleteSource(cleared, context, signal);
  const { message: _, ...rest } = cleared;
  return { server: rest };
}

async function deleteSource(server: ServerMigration, { cloud, migration: { spec } }: StepContext, signal: AbortSignal): Promise<Stepped> {
  if (spec.rollback === true) return waiting(server, 'sources: Delete waits while rollback is set', 10 * SOON_MS);
  const id = server.id ?? '';
  const source = await cloud.compute.server(id, signal);
  if (source !== undefined) {
    if (source.locked) await cloud.compute.act(id, { kind: 'unlock' }, signal);
    if (source.task === undefined) await cloud.compute.deleteServer(id, signal);
    return waiting(server, 'the server is deleted in the cloud');
  }
  const volumes = (server.disks ?? []).flatMap(({ volume }) => volume ?? []);
  const left = (await Promise.all(volumes.map(async (volume) => cloud.volume?.volume(volume, signal)))).filter((volume) => volume !== undefined);
  for (const { id: volume, status } of left) if (status === 'available' || status === 'error') await cloud.volume?.deleteVolume(volume, signal);
  if (left.length > 0) return waiting(server, 'its volumes are deleted in the cloud');
  const { message: _, ...rest } = server;
  return { server: { ...rest, sourceDeleted: true } };
}
