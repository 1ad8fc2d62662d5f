import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { persistentVolumes, volumeAttachments, volumeSnapshotContents, type PersistentVolume } from '../kube/storage.ts';
import type { Backend, NodeVolumes } from './port.ts';

export interface LeftoversOptions {
  readonly client: KubeClient;
  /** Name of the CSI driver. */
  readonly driver: string;
  readonly backend: Backend;
}

/** What the backend and the API do not agree on, a line each. What is just being made or removed is among it. */
export async function leftoversOf({ client, driver, backend }: LeftoversOptions, signal: AbortSignal): Promise<readonly string[]> {
  // First what there is, then what is known of: what is made meanwhile is in both.
  const [stored, snapshots, published, remnants] = await Promise.all([
    backend.list(signal), backend.features.snapshots ? backend.snapshots(signal) : [], backend.publishing?.published(undefined, signal) ?? new Map<string, readonly string[]>(), backend.remnants?.(signal) ?? [],
  ]);
  const [volumes, contents, attachments] = await Promise.all([volumesOf(client, driver, signal), contentsOf(client, driver, signal), attachmentsOf(client, driver, signal)]);
  const here = volumes.filter((volume) => isHere(volume, backend));
  const [handles, snapshotHandles] = [new Set(here.map(handleOf)), new Set(contents.map(({ handle }) => handle))];
  const users = new Set(attachments.map(({ volume, node }) => `${handleOf(volume)} ${node}`));
  return [
    ...stored.filter(({ id }) => !handles.has(id)).map(({ id, name }) => `volume ${id} (${name}) has no PersistentVolume`),
    ...snapshots.filter(({ id }) => !snapshotHandles.has(id)).map(({ id, name }) => `snapshot ${id} (${name}) has no VolumeSnapshotContent`),
    ...here.filter((volume) => !stored.some(({ id }) => id === handleOf(volume))).map((volume) => `PersistentVolume ${volume.metadata.name} is for a volume ${handleOf(volume)} that is not there`),
    ...(backend.features.topology === undefined ? contents.filter(({ handle }) => !snapshots.some(({ id }) => id === handle)) : []).map(({ name, handle }) => `VolumeSnapshotContent ${name} is for a snapshot ${handle} that is not there`),
    ...[...published].flatMap(([id, nodes]) => nodes.map((node) => node.split('/')[0] ?? '').filter((node) => !users.has(`${id} ${node}`)).map((node) => `volume ${id} is published to node ${node}, and there is no VolumeAttachment for that`)),
    ...remnants,
  ];
}

/** What a node has of volumes that it does not use, a line each. */
export async function leftoversOn(node: string, attachments: NodeVolumes, { client, driver, backend }: LeftoversOptions, signal: AbortSignal): Promise<readonly string[]> {
  const attached = await attachments.attached(signal);
  if (attached.length === 0) return [];
  const known = backend.publishing === undefined
    ? await volumesOf(client, driver, signal)
    : (await attachmentsOf(client, driver, signal)).filter((one) => one.node === node).map(({ volume }) => volume);
  const used = new Set(known.map(handleOf));
  return attached.filter((id) => !used.has(id)).map((id) => `node ${node} has volume ${id} attached, and nobody there uses it`);
}

async function volumesOf(client: KubeClient, driver: string, signal: AbortSignal): Promise<readonly PersistentVolume[]> {
  return (await client.listAll(persistentVolumes, { signal })).items.filter(({ spec: { csi } }) => csi?.driver === driver);
}

/** Not yet cut ones have no handle. */
async function contentsOf(client: KubeClient, driver: string, signal: AbortSignal): Promise<readonly { readonly name: string; readonly handle: string }[]> {
  // A cluster need not know snapshots.
  const { items } = await client.listAll(volumeSnapshotContents, { signal }).catch((error: unknown) => (isNotFound(error) ? { items: [] } : Promise.reject(error)));
  return items.filter(({ spec }) => spec.driver === driver).flatMap(({ metadata: { name }, spec, status }) => {
    const handle = status?.snapshotHandle ?? spec.source.snapshotHandle;
    return handle === undefined ? [] : [{ name, handle }];
  });
}

async function attachmentsOf(client: KubeClient, driver: string, signal: AbortSignal): Promise<readonly { readonly volume: PersistentVolume; readonly node: string }[]> {
  const volumes = new Map((await volumesOf(client, driver, signal)).map((volume) => [volume.metadata.name, volume]));
  return (await client.listAll(volumeAttachments, { signal })).items.flatMap(({ spec }) => {
    const volume = volumes.get(spec.source.persistentVolumeName ?? '');
    return spec.attacher === driver && volume !== undefined ? [{ volume, node: spec.nodeName }] : [];
  });
}

/** Where a backend is of one node alone, others have others. */
function isHere({ spec: { nodeAffinity } }: PersistentVolume, { features: { topology } }: Backend): boolean {
  return topology === undefined || Object.values(topology).every((value) => JSON.stringify(nodeAffinity ?? {}).includes(JSON.stringify(value)));
}

function handleOf({ spec: { csi } }: PersistentVolume): string {
  return csi?.volumeHandle ?? '';
}
