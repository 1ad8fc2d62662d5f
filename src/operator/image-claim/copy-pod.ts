import { ANNOTATION_IMAGE_COPY, COPY_VOLUME, LABEL_IMAGE } from '../../api/image-claims.ts';
import type { CompiledImage, ImageCopy } from '../../api/compiled-guest.ts';
import { API_VERSION } from '../../api/group.ts';
import type { Pod } from '../../kube/core.ts';
import type { OwnerReference } from '../../kube/object.ts';
import type { VirtualMachineImage } from '../../kube/yadokari.ts';
import { CONTAINER_SECURITY, heldClaim, POD_SECURITY, usesOf } from '../virtual-machine/anchor.ts';

export interface CopyPodOptions {
  readonly name: string;
  readonly image: CompiledImage;
  /** Absent: the image is only fetched, so that its size becomes known. */
  readonly claim?: { readonly name: string; readonly mode: 'Block' | 'Filesystem' };
  /** Nodes that have the image already. */
  readonly near: readonly string[];
  readonly pauseImage: string;
}

/** A pod that stands for the copying of an image: it makes Kubernetes place it and publish the claim, its node's agent does the work. */
export function copyPod(owner: VirtualMachineImage, { name, image, claim, near, pauseImage }: CopyPodOptions): Pod {
  const held = claim === undefined ? [] : [heldClaim(COPY_VOLUME, claim.name, claim.mode, false)];
  const copy: ImageCopy = { image, ...(claim === undefined ? {} : { claim }) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: owner.metadata.namespace ?? 'default',
      labels: { [LABEL_IMAGE]: owner.metadata.name.slice(0, 63) },
      annotations: { [ANNOTATION_IMAGE_COPY]: JSON.stringify(copy) },
      ownerReferences: [ownerOf(owner)],
    },
    spec: {
      ...(near.length === 0 ? {} : {
        affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchFields: near.slice(0, 1).map((node) => ({ key: 'metadata.name', operator: 'In', values: [node] })) } }] } },
      }),
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: POD_SECURITY,
      ...(held.length === 0 ? {} : { volumes: held.map(({ volume }) => volume) }),
      containers: [{ name: 'copy', image: pauseImage, imagePullPolicy: 'IfNotPresent', securityContext: CONTAINER_SECURITY, ...usesOf(held) }],
    },
  };
}

/** What is made for an image goes with it. */
export function ownerOf({ metadata: { name, uid = '' } }: VirtualMachineImage): OwnerReference {
  return { apiVersion: API_VERSION, kind: 'VirtualMachineImage', name, uid, controller: true, blockOwnerDeletion: false };
}
