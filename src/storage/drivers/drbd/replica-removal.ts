import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { isNotFound } from '../../../kube/api-error.ts';
import { StorageError } from '../../port.ts';
import { resourceOf } from './ids.ts';
import type { ReplicaContext } from './replica.ts';

export interface RemovalOptions {
  readonly volume: ReplicatedVolume;
  readonly minor: number | undefined;
  readonly finalizer: string;
}

/** Removes all that this node has of a volume, then says so: the volume stays in the API until each node has. */
export async function removeReplica({ volume, minor, finalizer }: RemovalOptions, context: ReplicaContext): Promise<void> {
  const { kernel, files, facts, backing, objects, node } = context;
  const id = volume.metadata.name;
  const resource = resourceOf(id);
  const state = minor === undefined ? undefined : await kernel.state(minor);
  if (state?.role === 'Primary') throw new StorageError('VolumeInUse', `volume ${id} is written to on node ${node}`, { disposition: 'wait' });
  if (state !== undefined && await files.read(resource) !== undefined) await kernel.admin(['down', resource]);
  await backing.remove(resource);
  await backing.remove(`${resource}.meta`);
  await files.remove(resource);
  for (const fact of ['fenced', 'split-brain'] as const) await facts.unset(resource, fact);
  await objects.forget(id, node).catch((error: unknown) => {
    if (!isNotFound((error as Error).cause)) throw error;
  });
  await objects.change(id, (stored) => {
    const { finalizers = [] } = stored.metadata;
    return finalizers.includes(finalizer) ? { ...stored, metadata: { ...stored.metadata, finalizers: finalizers.filter((one) => one !== finalizer) } } : undefined;
  });
}
