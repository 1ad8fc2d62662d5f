import { createHash } from 'node:crypto';
import { CONDITION_DISK_COPIED, type DiskCopy } from '../../api/disk-copies.ts';
import { ANNOTATION_IMAGE_KEY, CONDITION_IMAGE_COPIED, imageClaimName, LABEL_IMAGE, type ImagePlace } from '../../api/image-claims.ts';
import { isAlreadyExists, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isTrue } from '../../kube/conditions.ts';
import type { Reconcile } from '../../kube/controller.ts';
import { persistentVolumeClaims, pods, type PersistentVolumeClaim, type Pod } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { isDeleting, keyFor, keyOf } from '../../kube/object.ts';
import { openStackTenants, type VirtualMachine, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { compiledImage } from '../virtual-machine/guest-compiler.ts';
import { CLAIMS_MS, placeOf } from '../virtual-machine/own-claims.ts';
import { claimSize } from '../claim-size.ts';
import { diskCopyPod } from '../disk-copy-pod.ts';
import { copyPod, ownerOf } from './copy-pod.ts';
import { glanceImageOf, type GlanceImage } from './glance-image.ts';

export interface ImageClaimContext {
  readonly client: KubeClient;
  readonly images: Informer<VirtualMachineImage>;
  readonly claims: Informer<PersistentVolumeClaim>;
  /** Pods that copy images. */
  readonly copies: Informer<Pod>;
  /** Indexed `image` by the images they use. */
  readonly vms: Informer<VirtualMachine>;
  readonly pauseImage: string;
}

/**
 * Keeps one claim for each image and StorageClass that machines want disks of: the image is copied into it once, and
 * disks are clones of it, which the backend makes itself. It goes with the image.
 */
export class ImageClaimReconciler {
  readonly #context: ImageClaimContext;

  constructor(context: ImageClaimContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const image = this.#context.images.get(key);
    // Machines that want a disk of what a cloud is to make say themselves that it cannot be.
    if (image === undefined || isDeleting(image) || image.spec.source.virtualMachine !== undefined) return;
    const places = this.#places(image);
    if (places.length > 0 && !this.#context.claims.hasSynced) return { requeueAfterMs: CLAIMS_MS };
    for (const place of places) await this.#ensure(image, place, signal);
  };

  #places(image: VirtualMachineImage): readonly ImagePlace[] {
    const places = this.#context.vms.byIndex('image', keyOf(image)).flatMap((vm) => (isDeleting(vm) ? [] : vm.spec.disks ?? [])).flatMap((disk) => (disk.image === image.metadata.name ? [placeOf(disk, image)] : [])).filter((place) => place !== undefined);
    return [...new Map(places.map((place) => [imageClaimName(place), place])).values()];
  }

  async #ensure(image: VirtualMachineImage, place: ImagePlace, signal: AbortSignal): Promise<void> {
    const { claims } = this.#context;
    const name = imageClaimName(place);
    const claim = claims.get(keyFor(image.metadata.namespace, name));
    if (claim?.metadata.annotations?.[ANNOTATION_IMAGE_KEY] === place.key) return this.#remove(image, copyName(name), signal);
    const glance = glanceImageOf(image);
    const bytes = glance?.sizeBytes ?? image.status?.nodes?.find(({ virtualSizeBytes }) => virtualSizeBytes !== undefined)?.virtualSizeBytes;
    if (bytes === undefined) return this.#copy(image, `${copyName(name)}-fetch`, undefined, signal);
    await this.#remove(image, `${copyName(name)}-fetch`, signal);
    if (claim === undefined) await this.#create(image, place, bytes, signal);
    const copied = this.#pod(image, copyName(name));
    if (glance !== undefined && !isTrue(copied?.status?.conditions, CONDITION_DISK_COPIED)) return this.#copyFromGlance(image, glance, { name, mode: place.mode }, signal);
    if (glance === undefined && !isTrue(copied?.status?.conditions, CONDITION_IMAGE_COPIED)) return this.#copy(image, copyName(name), { name, mode: place.mode }, signal);
    await this.#context.client.patch(persistentVolumeClaims, { name, namespace: image.metadata.namespace ?? 'default' }, { metadata: { annotations: { [ANNOTATION_IMAGE_KEY]: place.key } } }, { signal });
  }

  async #create(image: VirtualMachineImage, { storageClassName, mode, ...place }: ImagePlace, bytes: number, signal: AbortSignal): Promise<void> {
    const { name, namespace = 'default' } = image.metadata;
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1', kind: 'PersistentVolumeClaim',
      metadata: {
        name: imageClaimName({ storageClassName, mode, ...place }), namespace, labels: { [LABEL_IMAGE]: name.slice(0, 63) },
        ownerReferences: [ownerOf(image)],
      },
      spec: { accessModes: ['ReadWriteOnce'], volumeMode: mode, storageClassName, resources: { requests: { storage: claimSize(bytes, mode) } } },
    };
    await this.#context.client.create(persistentVolumeClaims, claim, { signal }).catch(unlessThere);
  }

  async #copy(image: VirtualMachineImage, name: string, claim: { readonly name: string; readonly mode: 'Block' | 'Filesystem' } | undefined, signal: AbortSignal): Promise<void> {
    if (this.#pod(image, name) !== undefined) return;
    const near = (image.status?.nodes ?? []).filter(({ phase }) => phase === 'Imported').map((node) => node.name);
    const pod = copyPod(image, { name, image: compiledImage(image), near, pauseImage: this.#context.pauseImage, ...(claim === undefined ? {} : { claim }) });
    await this.#context.client.create(pods, pod, { signal }).catch(unlessThere);
  }

  async #copyFromGlance(image: VirtualMachineImage, { tenant, ...glance }: GlanceImage, claim: { readonly name: string; readonly mode: 'Block' | 'Filesystem' }, signal: AbortSignal): Promise<void> {
    const { client, pauseImage } = this.#context;
    const { name: imageName, namespace = 'default' } = image.metadata;
    const name = copyName(claim.name);
    if (this.#pod(image, name) !== undefined) return;
    const { spec: { cloud } } = await client.get(openStackTenants, { namespace, name: tenant }, signal);
    const copy: DiskCopy = { image: glance.image, format: glance.format, sizeBytes: glance.sizeBytes, claim, ...(cloud.name === undefined ? {} : { cloud: cloud.name }) };
    await client.create(pods, diskCopyPod({ name, namespace, labels: { [LABEL_IMAGE]: imageName.slice(0, 63) }, owner: ownerOf(image), copy, secret: cloud.secret, pauseImage }), { signal }).catch(unlessThere);
  }

  async #remove(image: VirtualMachineImage, name: string, signal: AbortSignal): Promise<void> {
    const pod = this.#pod(image, name);
    if (pod === undefined || isDeleting(pod)) return;
    await this.#context.client.delete(pods, { name, namespace: image.metadata.namespace ?? 'default' }, { signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  #pod(image: VirtualMachineImage, name: string): Pod | undefined {
    return this.#context.copies.get(keyFor(image.metadata.namespace, name));
  }
}

/** A pod's name must do as a host name. */
function copyName(claim: string): string {
  return `${claim.slice(0, 40)}-${createHash('sha256').update(claim).digest('hex').slice(0, 8)}`;
}

function unlessThere(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}
