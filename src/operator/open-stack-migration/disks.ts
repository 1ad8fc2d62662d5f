import type { DiskMigration, ServerMigration } from '../../api/open-stack-migration.ts';
import { isTidy, tidyExport } from './disk-export.ts';
import { moveDisk } from './disk-move.ts';
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

/** Removes what the cloud does not need any more of copies that are whole; `all`: of those that are not, too. */
export async function tidyDisks(server: ServerMigration, context: StepContext, all: boolean, signal: AbortSignal): Promise<ServerMigration> {
  if (server.disks === undefined || server.disks.every(isTidy)) return server;
  return { ...server, disks: await Promise.all(server.disks.map((disk) => tidyExport(disk, context, all, signal))) };
}

export function areTidy({ disks = [] }: ServerMigration): boolean {
  return disks.every(isTidy);
}
