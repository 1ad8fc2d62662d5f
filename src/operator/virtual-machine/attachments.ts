import { attachmentName, diskVolume, listsClaim } from '../../api/anchor-volumes.ts';
import type { CompiledDisk, CompiledGuest } from '../../api/compiled-guest.ts';
import { LABEL_ATTACHMENT } from '../../api/group.ts';
import { isAlreadyExists, isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { pods, type Pod } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { isDeleting } from '../../kube/object.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { CONTAINER_SECURITY, heldClaim, POD_SECURITY, usesOf, type AnchorOptions } from './anchor.ts';

export interface AttachmentContext {
  readonly client: KubeClient;
  /** Pods that hold claims for running guests, indexed `anchor` by the uid of the anchor. */
  readonly attachments: Informer<Pod>;
  readonly anchor: AnchorOptions;
}

/** The node's agent ends the container once the guest has let go of the disk; a kubelet must not do so before. */
const GRACE_SECONDS = 3600;

/**
 * A pod's volumes are fixed when it is made. For each disk that came later there is a pod on the anchor's node which
 * lists its claim, so that Kubernetes attaches and publishes the volume there as for any other pod. It goes when the
 * guest has let go of the disk, and with the anchor.
 */
export async function ensureAttachments(context: AttachmentContext, vm: VirtualMachine, anchor: Pod, guest: CompiledGuest, signal: AbortSignal): Promise<void> {
  const { client, attachments } = context;
  const { namespace = 'default', uid = '', name } = anchor.metadata;
  const known = attachments.byIndex('anchor', uid);
  const wanted = anchor.spec.nodeName === undefined ? [] : guest.disks.filter((disk) => disk.claim !== undefined && !listsClaim(anchor, diskVolume(disk.name), disk.claim.name));
  for (const disk of wanted) {
    if (known.some((pod) => pod.metadata.name === attachmentName(name, disk.name))) continue;
    await client.create(pods, attachmentOf(vm, anchor, disk, context.anchor), { signal }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
  const seen = vm.status?.guest?.anchorUID === uid ? vm.status.guest.disks ?? [] : [];
  for (const pod of known) {
    const isWanted = wanted.some((disk) => attachmentName(name, disk.name) === pod.metadata.name && listsClaim(pod, diskVolume(disk.name), disk.claim?.name ?? ''));
    const isUsed = seen.some((disk) => disk.attached && attachmentName(name, disk.name) === pod.metadata.name);
    if (isWanted || isUsed || isDeleting(pod)) continue;
    await client.delete(pods, { namespace, name: pod.metadata.name }, { signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

function attachmentOf(vm: VirtualMachine, anchor: Pod, { name, claim, readOnly }: CompiledDisk, { pauseImage }: AnchorOptions): Pod {
  const held = [heldClaim(diskVolume(name), claim?.name ?? '', claim?.mode ?? 'Filesystem', readOnly)];
  const { metadata } = anchor;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: attachmentName(metadata.name, name),
      namespace: metadata.namespace ?? 'default',
      labels: { [LABEL_ATTACHMENT]: vm.metadata.name },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: false }],
    },
    spec: {
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [anchor.spec.nodeName] }] }] } } },
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: GRACE_SECONDS,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: POD_SECURITY,
      volumes: held.map(({ volume }) => volume),
      containers: [{ name: 'volume', image: pauseImage, imagePullPolicy: 'IfNotPresent', securityContext: CONTAINER_SECURITY, ...usesOf(held) }],
    },
  };
}
