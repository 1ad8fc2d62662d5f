import { idOfResource } from './ids.ts';
import type { ReplicaContext } from './replica.ts';

/**
 * What this node has of volumes that the API does not know. What is only configured ends; data stay, since nobody
 * knows why they are there: they are told of, for a person to remove.
 */
export async function orphansOf({ objects, files, kernel, backing, log, turns, settings }: Pick<ReplicaContext, 'objects' | 'files' | 'kernel' | 'backing' | 'log' | 'turns' | 'settings'>): Promise<readonly string[]> {
  const isOrphan = async (id: string): Promise<boolean> => !(await objects.exists(id));
  for (const resource of await files.list()) {
    const id = idOfResource(resource);
    if (id === undefined || !(await isOrphan(id))) continue;
    await turns.run(id, async () => {
      log.warn({ resource }, 'a resource of no volume is ended');
      // One that is in use stays.
      await kernel.admin(['down', resource]);
      await files.remove(resource);
    }).catch((error: unknown) => log.warn({ resource, error: String(error) }, 'a resource of no volume cannot be ended'));
  }
  const left: string[] = [];
  for (const { name } of await backing.list()) {
    const id = idOfResource(name);
    if (id !== undefined && await isOrphan(id)) left.push(`logical volume ${settings.volumeGroup}/${name}`);
  }
  return left.sort();
}
