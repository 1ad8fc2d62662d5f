import { ANNOTATION_IMAGE_KEY, diskClaimName, imageClaimName, type ImagePlace } from '../../api/image-claims.ts';
import { API_VERSION } from '../../api/group.ts';
import type { DiskSpec } from '../../api/virtual-machine.ts';
import { bytesOf } from '../../base/quantity.ts';
import { isAlreadyExists, isRefused } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { persistentVolumeClaims, type PersistentVolumeClaim } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { controllerOf, isDeleting, keyFor } from '../../kube/object.ts';
import type { VirtualMachine, VirtualMachineImage } from '../../kube/yadokari.ts';
import { glanceImageOf } from '../image-claim/glance-image.ts';
import { compiledImage, imageKey, UnresolvedError } from './guest-compiler.ts';

export interface OwnClaimsContext {
  readonly client: KubeClient;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly images: Informer<VirtualMachineImage>;
}

/** Between two looks, until claims are known: an older chart gives no right to see them. */
export const CLAIMS_MS = 500;

/** Where the image of a disk in a StorageClass is copied to; undefined for other disks. */
export function placeOf({ image, storageClassName, volumeMode }: DiskSpec, found: VirtualMachineImage): ImagePlace | undefined {
  if (image === undefined || storageClassName === undefined || found.spec.format === 'tar') return undefined;
  return { image, key: imageKey(found), storageClassName, mode: volumeMode ?? 'Filesystem' };
}

/**
 * A disk in a StorageClass has a claim of the machine's own, which is made with it, grows with its size and goes with
 * the machine. One of an image is a clone of the claim that holds the image. Returns why something cannot be made now.
 */
export async function ensureOwnClaims(context: OwnClaimsContext, vm: VirtualMachine, signal: AbortSignal): Promise<UnresolvedError | undefined> {
  const problems: UnresolvedError[] = [];
  for (const disk of vm.spec.disks ?? []) {
    if (disk.storageClassName === undefined) continue;
    try {
      await ensureClaim(context, vm, disk, signal);
    } catch (error) {
      if (!(error instanceof UnresolvedError)) throw error;
      problems.push(error);
    }
  }
  return problems[0];
}

async function ensureClaim(context: OwnClaimsContext, vm: VirtualMachine, disk: DiskSpec, signal: AbortSignal): Promise<void> {
  const { client, claims } = context;
  const { namespace = 'default' } = vm.metadata;
  const name = diskClaimName(vm.metadata.name, disk.name);
  const known = claims.get(keyFor(namespace, name));
  if (known === undefined) {
    const wanted = claimOf(context, vm, disk, name);
    await client.create(persistentVolumeClaims, wanted, { signal }).catch((error: unknown) => {
      if (isRefused(error)) throw new UnresolvedError('AnchorRefused', (error as Error).message);
      if (!isAlreadyExists(error)) throw error;
    });
    throw new UnresolvedError('ClaimPending', `claim ${name} of disk ${disk.name} is being made`);
  }
  if (controllerOf(known)?.uid !== vm.metadata.uid) throw new UnresolvedError('ClaimInUse', `disk ${disk.name}: there is a claim ${name} already, which is not of this machine; delete it, or name the disk otherwise`);
  if (disk.size === undefined || isDeleting(known) || bytesOf(known.spec.resources?.requests?.['storage'] ?? '0') >= bytesOf(disk.size)) return;
  await client.patch(persistentVolumeClaims, { name, namespace }, { spec: { resources: { requests: { storage: disk.size } } } }, { signal });
}

function claimOf(context: OwnClaimsContext, vm: VirtualMachine, disk: DiskSpec, name: string): PersistentVolumeClaim {
  const { metadata } = vm;
  return {
    apiVersion: 'v1', kind: 'PersistentVolumeClaim',
    metadata: {
      name, namespace: metadata.namespace ?? 'default',
      ownerReferences: [{ apiVersion: API_VERSION, kind: 'VirtualMachine', name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: false }],
    },
    spec: {
      accessModes: ['ReadWriteOnce'], volumeMode: disk.volumeMode ?? 'Filesystem', ...(disk.storageClassName === undefined ? {} : { storageClassName: disk.storageClassName }),
      ...(disk.image === undefined ? { resources: { requests: { storage: disk.size ?? '0' } } } : ofImage(context, vm, disk, disk.image)),
    },
  };
}

/** The claim that holds the image, once it does; at least as large as that. */
function ofImage({ claims, images }: OwnClaimsContext, { metadata: { namespace } }: VirtualMachine, disk: DiskSpec, name: string): Partial<PersistentVolumeClaim['spec']> {
  const image = images.get(keyFor(namespace, name));
  if (image === undefined) throw new UnresolvedError('ImageNotFound', `VirtualMachineImage ${name} does not exist in this namespace; create it or change the reference`);
  if (glanceImageOf(image) === undefined) compiledImage(image);
  const place = placeOf(disk, image);
  if (place === undefined) throw new UnresolvedError('ImageFormatWrong', `disk ${disk.name} needs an image of format qcow2, raw or iso; ${name} is a tar`);
  const source = imageClaimName(place);
  const holder = claims.get(keyFor(namespace, source));
  if (holder?.metadata.annotations?.[ANNOTATION_IMAGE_KEY] !== place.key) throw new UnresolvedError('ImageImporting', `image ${name} is being copied to StorageClass ${place.storageClassName}; kubectl describe pvc ${source} tells more`);
  const least = holder.status?.capacity?.['storage'] ?? holder.spec.resources?.requests?.['storage'] ?? '0';
  const storage = disk.size === undefined || bytesOf(disk.size) < bytesOf(least) ? least : disk.size;
  return { dataSource: { kind: 'PersistentVolumeClaim', name: source }, resources: { requests: { storage } } };
}
