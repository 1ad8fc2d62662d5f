import type { ServerMigration } from '../../api/open-stack-migration.ts';
import { timestamp } from '../../kube/conditions.ts';
import { removeCopies } from './disk-move.ts';
import { DARK_MS, MigrationError, waiting, type StepContext, type Stepped } from './step.ts';

/** Of what the lock of a server says to whoever wants to start it. */
const LOCK_REASON = 'moved to Kubernetes by Yadokari';

/** The server is stopped by its guest's own shutdown, and locked, so that nobody starts it beside the machine here. */
export async function stopSource(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<Stepped & { readonly isDone: boolean }> {
  const { cloud: { compute }, clock } = context;
  const id = server.id ?? '';
  const source = await compute.server(id, signal);
  if (source === undefined) throw new MigrationError('SourceGone', `server ${id} is not there any more: nothing can be copied of it`);
  const marked: ServerMigration = { ...server, ran: server.ran ?? source.status === 'ACTIVE', stoppedAt: server.stoppedAt ?? timestamp(clock.now()) };
  // That it ran is told before it is stopped: whoever comes after a crash has to know.
  if (server.ran === undefined) return { server: marked, againMs: 0, isDone: false };
  if (source.task !== undefined) return { ...waiting(marked, `the server is ${source.status} (${source.task})`, DARK_MS), isDone: false };
  if (source.status === 'ACTIVE') {
    await compute.act(id, { kind: 'stop' }, signal);
    return { ...waiting(marked, 'the server shuts down', DARK_MS), isDone: false };
  }
  if (source.status !== 'SHUTOFF') throw new MigrationError('SourceFault', `the server is ${source.status}: start or stop it, and it goes on`);
  if (!source.locked) await compute.act(id, { kind: 'lock', reason: LOCK_REASON }, signal);
  return { server: marked, againMs: DARK_MS, isDone: await removeCopies(marked, context, signal) };
}
