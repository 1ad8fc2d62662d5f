import type { ServerMigration } from '../../api/open-stack-migration.ts';
import type { Page } from '../../openstack/page.ts';
import { isForgotten } from './forgotten.ts';
import { exportPrefix, type StepContext } from './step.ts';

/**
 * Removes from the cloud whatever copies of a server's disks have left there, also what was made and never written down,
 * since its maker died in between. Says whether nothing of it is left but what only an administrator can remove, which
 * an event tells.
 */
export async function clearExports(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<boolean> {
  const prefix = exportPrefix(context, server);
  const { image, volume } = context.cloud;
  const images = await allOf(prefix, image.images(signal));
  for (const { id } of images) await image.deleteImage(id, signal);
  if (volume === undefined) return images.length === 0;
  const nowMs = context.clock.now();
  const clones = await allOf(prefix, volume.volumes(signal));
  for (const { id, status } of clones) if (status === 'available' || status.startsWith('error')) await volume.deleteVolume(id, signal);
  const lost = clones.filter((clone) => isForgotten(clone, nowMs));
  const snapshots = await allOf(prefix, volume.snapshots(signal));
  // Some backends keep a snapshot for as long as a volume was made of it.
  for (const { id, status } of clones.length > lost.length ? [] : snapshots) if (status !== 'creating' && status !== 'deleting') await volume.deleteSnapshot(id, signal);
  const lostSnapshots = snapshots.filter((snapshot) => isForgotten(snapshot, nowMs) || lost.some(({ snapshotId }) => snapshotId === snapshot.id));
  if (images.length + clones.length + snapshots.length > lost.length + lostSnapshots.length) return false;
  const left = [...lost.map(({ id, status }) => `volume ${id} (${status})`), ...lostSnapshots.map(({ id, status }) => `snapshot ${id} (${status})`)];
  if (left.length > 0) context.note({ type: 'Warning', reason: 'LeftInCloud', message: `${server.name}: the cloud has forgotten ${left.join(', ')}, which an administrator can remove: openstack volume set --state error, then delete`.slice(0, 1024) });
  return true;
}

async function allOf<T extends { readonly name: string }>(prefix: string, pages: AsyncIterable<Page<T>>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const { items } of pages) found.push(...items.filter(({ name }) => name.startsWith(prefix)));
  return found;
}
