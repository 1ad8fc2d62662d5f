import type { DiskMigration, ServerMigration } from '../../api/open-stack-migration.ts';
import { tidyExport } from './disk-export.ts';
import { moveDisk } from './disk-move.ts';
import { clearExports } from './leftovers.ts';
import { DARK_MS, SOON_MS, type StepContext, type Stepped } from './step.ts';

/** One look at all disks at once. Done when all are copied, and no pod has a claim any more. */
export async function copyDisks(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<Stepped & { readonly isDone: boolean }> {
  const looks = await Promise.allSettled((server.disks ?? []).map((disk) => moveDisk(server, disk, context, signal)));
  signal.throwIfAborted();
  // What came of the others is kept: it has happened.
  const disks = looks.map((look, place) => (look.status === 'fulfilled' ? look.value.disk : (server.disks ?? [])[place] as DiskMigration));
  const said = looks.flatMap((look, place) => {
    const message = look.status === 'fulfilled' ? look.value.message : (look.reason as Error).message;
    return message === undefined ? [] : [`${disks[place]?.name}: ${message}`];
  });
  const { message: _, ...rest } = server;
  const isDone = disks.every(({ step }) => step === 'Copied') && said.length === 0;
  return { server: { ...rest, disks, ...(said.length === 0 ? {} : { message: said.join('; ').slice(0, 1024) }) }, againMs: looks.some(({ status }) => status === 'rejected') ? 10 * SOON_MS : server.phase === 'Finishing' ? DARK_MS : SOON_MS, isDone };
}

/** Removes what the cloud does not need any more of copies that are whole. */
export async function tidyDisks(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<ServerMigration> {
  if (server.disks === undefined) return server;
  return { ...server, disks: await Promise.all(server.disks.map((disk) => tidyExport(disk, context, signal))) };
}

/** Removes all that copies have left in the cloud, once none goes on. */
export async function clearDisks(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<ServerMigration> {
  if (server.disks === undefined || areCleared(server) || !await clearExports(server, context, signal)) return server;
  return { ...server, disks: server.disks.map(({ image: _image, clone: _clone, snapshot: _snapshot, ...disk }) => ({ ...disk, step: 'Cleared' })) };
}

export function areCleared({ disks = [] }: ServerMigration): boolean {
  return disks.every(({ step }) => step === 'Cleared');
}
