import { isDeepStrictEqual } from 'node:util';
import type { VirtualMachineImageStatus } from '../../api/virtual-machine-image.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isDeleting, keyFor } from '../../kube/object.ts';
import { virtualMachineImages, type OpenStackTenant, type VirtualMachine, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { Image } from '../../openstack/image/port.ts';
import type { InventoryState } from '../../openstack/inventory/state.ts';
import { all } from '../../openstack/page.ts';
import type { Cloud } from '../../openstack/port.ts';
import type { MirrorInformers } from './informers.ts';
import { glanceStatusOf } from './targets/images.ts';

export interface SnapshotContext {
  readonly client: KubeClient;
  readonly informers: MirrorInformers;
}

export interface SnapshotView {
  readonly tenant: OpenStackTenant;
  readonly state: InventoryState;
  readonly cloud: Cloud;
  /** When the last sync ended: what was refused is tried again with the next. */
  readonly syncedAtMs: number;
}

type Snapshot = NonNullable<VirtualMachineImageStatus['snapshot']>;

interface Told {
  readonly snapshot: Snapshot;
  readonly image?: Image;
}

/** On an image: the uid of the object that asked for it, by which it is found again. */
export const PROPERTY_ASKED_BY = 'yadokari_asked_by';
const FAILED: readonly Image['status'][] = ['killed', 'deleted', 'pending_delete'];

/** Has the cloud make the images of servers that VirtualMachineImages ask for, one for each, and tells how far they are. */
export class Snapshots {
  readonly #context: SnapshotContext;
  /** What was told last by uid: the cache may not show it yet. */
  readonly #told = new Map<string, Snapshot>();
  readonly #triedAtMs = new Map<string, number>();

  constructor(context: SnapshotContext) {
    this.#context = context;
  }

  /** Whether any is still being made. */
  async work(view: SnapshotView, signal: AbortSignal): Promise<boolean> {
    let isSaving = false;
    const objects = this.#objectsOf(view.tenant);
    for (const uid of this.#told.keys()) if (!objects.some(({ image }) => image.metadata.uid === uid)) this.#told.delete(uid);
    for (const { image, server } of objects) {
      const { uid = '' } = image.metadata;
      const before = this.#told.get(uid) ?? image.status?.snapshot;
      const told = before?.image === undefined ? await this.#begin(image, server, before, view, signal) : await follow(before, before.image, view, signal);
      if (told !== undefined) await this.#tell(image, told, signal);
      isSaving ||= told?.snapshot.phase === 'Saving';
    }
    return isSaving;
  }

  /** Those of machines of this tenant, and those that were made by it of machines that are gone. */
  #objectsOf({ metadata: { name, namespace = '' } }: OpenStackTenant): readonly { readonly image: VirtualMachineImage; readonly server: string | undefined }[] {
    const { images, servers } = this.#context.informers;
    return (images.byIndex('asking', namespace) as readonly VirtualMachineImage[]).flatMap((image) => {
      const machine = servers.get(keyFor(namespace, image.spec.source.virtualMachine?.name ?? '')) as VirtualMachine | undefined;
      const known = machine?.spec.provider?.openstack;
      const isOurs = image.status?.snapshot === undefined ? known?.tenant === name : image.status.snapshot.tenant === name;
      return isOurs && !isDeleting(image) ? [{ image, server: known?.tenant === name ? known.server : undefined }] : [];
    });
  }

  async #begin(object: VirtualMachineImage, server: string | undefined, before: Snapshot | undefined, { tenant, cloud, syncedAtMs }: SnapshotView, signal: AbortSignal): Promise<Told | undefined> {
    const { name, uid = '' } = object.metadata;
    const at = { tenant: tenant.metadata.name, server: server ?? before?.server ?? '' };
    const waiting = (reason: string, message: string): Told => ({ snapshot: { ...at, phase: 'Waiting', reason, message } });
    if (server === undefined) return waiting('VirtualMachineNotFound', `VirtualMachine ${object.spec.source.virtualMachine?.name ?? ''} is gone, and no image was made of it`);
    if (tenant.spec.servers?.mode !== 'Manage') return waiting('OnlyObserved', `OpenStackTenant ${at.tenant} only observes its servers: set its spec.servers.mode to Manage`);
    if (this.#triedAtMs.get(uid) === syncedAtMs) return undefined;
    this.#triedAtMs.set(uid, syncedAtMs);
    try {
      const known = await madeFor(uid, cloud, signal);
      const image = known?.id ?? await cloud.compute.createImage(server, name, { [PROPERTY_ASKED_BY]: uid }, signal);
      return { snapshot: { ...at, image, phase: 'Saving', reason: 'Saving', message: `the cloud makes image ${image}` }, ...(known === undefined ? {} : { image: known }) };
    } catch (error) {
      if (!(error instanceof OpenStackError)) throw error;
      return waiting(error.code, `the cloud refuses to make an image of the server: ${messageOf(error)}`);
    }
  }

  async #tell({ metadata: { name, namespace = 'default', uid = '' }, status }: VirtualMachineImage, { snapshot, image }: Told, signal: AbortSignal): Promise<void> {
    const glance = image === undefined ? status?.glance : glanceStatusOf(image);
    const known = [status?.snapshot, this.#told.get(uid)];
    this.#told.set(uid, snapshot);
    if (known.some((one) => isDeepStrictEqual(one, snapshot)) && isDeepStrictEqual(status?.glance, glance)) return;
    // As a whole: what is no longer said is not kept.
    const patch = { status: { snapshot: { image: null, ...snapshot }, ...(glance === undefined ? {} : { glance: { sizeBytes: null, virtualSizeBytes: null, ...glance } }) } };
    await this.#context.client.patch(virtualMachineImages, { name, namespace }, patch, { subresource: 'status', signal }).catch((error: unknown) => {
      this.#told.delete(uid);
      if (!isNotFound(error)) throw error;
    });
  }
}

/** How far an image is that the cloud makes or has made. Undefined where the cloud does not say. */
async function follow(before: Snapshot, id: string, { state, cloud }: SnapshotView, signal: AbortSignal): Promise<Told | undefined> {
  if (before.phase === 'Failed') return { snapshot: before };
  try {
    // Lists of images are up to a minute old.
    const image = (before.phase === 'Saved' ? state.images.get(id) : undefined) ?? await cloud.image.image(id, signal);
    if (image === undefined) return { snapshot: { ...before, phase: 'Failed', reason: 'ImageGone', message: `image ${id} is no longer in Glance: the cloud failed to make it, or somebody deleted it there` } };
    const failed = FAILED.includes(image.status);
    if (failed) return { image, snapshot: { ...before, phase: 'Failed', reason: 'ImageFailed', message: `image ${id} is ${image.status}` } };
    const isSaved = image.status === 'active' || image.status === 'deactivated';
    return { image, snapshot: isSaved ? { ...before, phase: 'Saved', reason: 'Saved', message: `image ${id} of Glance; machines of this cluster cannot start from it` } : { ...before, phase: 'Saving', reason: 'Saving', message: `the cloud makes image ${id}, which is ${image.status}` } };
  } catch (error) {
    if (error instanceof OpenStackError) return undefined;
    throw error;
  }
}

/** An image that was made for an object of that uid. Images of servers that started from it have its properties too, and are younger. */
async function madeFor(uid: string, { image }: Cloud, signal: AbortSignal): Promise<Image | undefined> {
  const made = (await all(image.images(signal))).filter(({ properties }) => properties[PROPERTY_ASKED_BY] === uid);
  return made.toSorted((a, b) => a.createdAtMs - b.createdAtMs)[0];
}
