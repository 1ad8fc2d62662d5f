import type { ServerMigration } from '../../api/open-stack-migration.ts';
import type { Page } from '../../openstack/page.ts';
import { exportPrefix, type StepContext } from './step.ts';

/**
 * Removes from the cloud whatever copies of a server's disks have left there, also what was made and never written down,
 * since its maker died in between. Says whether nothing of it is left.
 */
export async function clearExports(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<boolean> {
  const prefix = exportPrefix(context, server);
  const { image, volume } = context.cloud;
  const images = await allOf(prefix, image.images(signal));
  for (const { id } of images) await image.deleteImage(id, signal);
  if (volume === undefined) return images.length === 0;
  const clones = await allOf(prefix, volume.volumes(signal));
  for (const { id, status } of clones) if (status === 'available' || status.startsWith('error')) await volume.deleteVolume(id, signal);
  const snapshots = await allOf(prefix, volume.snapshots(signal));
  // Some backends keep a snapshot for as long as a volume was made of it.
  for (const { id, status } of clones.length > 0 ? [] : snapshots) if (status !== 'creating' && status !== 'deleting') await volume.deleteSnapshot(id, signal);
  return images.length + clones.length + snapshots.length === 0;
}

async function allOf<T extends { readonly name: string }>(prefix: string, pages: AsyncIterable<Page<T>>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const { items } of pages) found.push(...items.filter(({ name }) => name.startsWith(prefix)));
  return found;
}
