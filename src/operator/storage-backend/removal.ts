import { FINALIZER_VOLUMES } from '../../api/group.ts';
import type { StorageDriver } from '../../api/storage-drivers.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { persistentVolumes, volumeSnapshotContents } from '../../kube/storage.ts';
import { storageBackends, type StorageBackend } from '../../kube/yadokari.ts';

/** The most that are named. */
const NAMED = 3;

/** Keeps a backend, and so the drivers that could remove its volumes, for as long as there are any. */
export async function holdBackend(client: KubeClient, { metadata: { name, uid, finalizers = [] } }: StorageBackend, signal: AbortSignal): Promise<void> {
  if (finalizers.includes(FINALIZER_VOLUMES)) return;
  await client.apply(storageBackends, { metadata: { name, uid, finalizers: [FINALIZER_VOLUMES] } }, { fieldManager: 'yadokari-operator-finalizer', signal });
}

/** What there is of a backend still, in words; undefined when there is nothing. */
export async function contentOf(client: KubeClient, drivers: readonly StorageDriver[], signal: AbortSignal): Promise<string | undefined> {
  const isOurs = (driver: string | undefined): boolean => drivers.some(({ name }) => name === driver);
  const volumes = (await client.listAll(persistentVolumes, { signal })).items.filter(({ spec }) => isOurs(spec.csi?.driver));
  // A cluster need not know snapshots.
  const { items } = await client.listAll(volumeSnapshotContents, { signal }).catch((error: unknown) => (isNotFound(error) ? { items: [] } : Promise.reject(error)));
  const snapshots = items.filter(({ spec }) => isOurs(spec.driver));
  const found = [listed('PersistentVolume', volumes), listed('VolumeSnapshotContent', snapshots)].filter((text) => text !== undefined);
  return found.length === 0 ? undefined : found.join(' and ');
}

export async function letGo(client: KubeClient, { metadata: { name, finalizers = [], resourceVersion } }: StorageBackend, signal: AbortSignal): Promise<void> {
  if (!finalizers.includes(FINALIZER_VOLUMES)) return;
  await client.patch(storageBackends, { name }, { metadata: { finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_VOLUMES), resourceVersion } }, { signal }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

function listed(kind: string, objects: readonly { readonly metadata: { readonly name: string } }[]): string | undefined {
  if (objects.length === 0) return undefined;
  const names = objects.slice(0, NAMED).map(({ metadata: { name } }) => name).join(', ');
  return `${objects.length} ${kind}${objects.length === 1 ? '' : 's'} (${names}${objects.length > NAMED ? ', …' : ''})`;
}
