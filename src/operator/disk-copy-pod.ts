import { ANNOTATION_DISK_COPY, CEPH_VOLUME, CLOUD_VOLUME, DISK_VOLUME, type DiskCopy } from '../api/disk-copies.ts';
import type { Pod } from '../kube/core.ts';
import type { OwnerReference } from '../kube/object.ts';
import { CONTAINER_SECURITY, heldClaim, POD_SECURITY, usesOf } from './virtual-machine/anchor.ts';

export interface DiskCopyPodOptions {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: OwnerReference;
  readonly copy: DiskCopy;
  /** The Secret with the clouds.yaml, or with the key of the Ceph that is copied from. */
  readonly secret: string;
  readonly pauseImage: string;
}

/** A pod that stands for the copying of a disk of a cloud: it makes Kubernetes place it, and publish claim and Secret; its node's agent does the work. */
export function diskCopyPod({ name, namespace, labels, owner, copy, secret, pauseImage }: DiskCopyPodOptions): Pod {
  const held = heldClaim(DISK_VOLUME, copy.claim.name, copy.claim.mode, false);
  const uses = usesOf([held]);
  const key = copy.ceph === undefined ? CLOUD_VOLUME : CEPH_VOLUME;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels, annotations: { [ANNOTATION_DISK_COPY]: JSON.stringify(copy) }, ownerReferences: [owner] },
    spec: {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: POD_SECURITY,
      volumes: [held.volume, { name: key, secret: { secretName: secret } }],
      containers: [{
        name: 'copy', image: pauseImage, imagePullPolicy: 'IfNotPresent', securityContext: CONTAINER_SECURITY, ...uses,
        volumeMounts: [...(uses['volumeMounts'] as readonly object[] | undefined ?? []), { name: key, mountPath: `/volumes/${key}`, readOnly: true }],
      }],
    },
  };
}
