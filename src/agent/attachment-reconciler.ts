import { attachmentName } from '../api/anchor-volumes.ts';
import { LABEL_ATTACHMENT } from '../api/group.ts';
import type { Reconcile } from '../kube/controller.ts';
import type { Pod } from '../kube/core.ts';
import type { Informer } from '../kube/informer.ts';
import { controllerOf, isDeleting, keyFor, type ObjectKey } from '../kube/object.ts';
import type { Hypervisor } from '../vm/port.ts';
import { anchorOf } from './anchor.ts';
import type { GuestStopper } from './guest-stopper.ts';

export interface AttachmentReconcilerOptions {
  /** Pods bound to this node. */
  readonly pods: Informer<Pod>;
  readonly hypervisor: Hypervisor;
  readonly stopper: GuestStopper;
}

const LOOK_MS = 200;

/** The anchor of a pod that holds a claim for its guest; undefined for any other pod. */
export function anchorKeyOf(pod: Pod): ObjectKey | undefined {
  const owner = pod.metadata.labels?.[LABEL_ATTACHMENT] === undefined ? undefined : controllerOf(pod);
  return owner?.kind === 'Pod' ? keyFor(pod.metadata.namespace, owner.name) : undefined;
}

/**
 * The kubelet takes a volume away when the container of its pod has ended, which ends for nobody but us: of a pod that
 * is being deleted it is ended as soon as the guest does not use the disk any more.
 */
export class AttachmentReconciler {
  readonly #options: AttachmentReconcilerOptions;

  constructor(options: AttachmentReconcilerOptions) {
    this.#options = options;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { pods, stopper } = this.#options;
    const pod = pods.get(key);
    const anchorKey = pod === undefined ? undefined : anchorKeyOf(pod);
    if (pod === undefined || anchorKey === undefined || !isDeleting(pod)) return undefined;
    if (await this.#isUsed(pod, anchorKey, signal)) return { requeueAfterMs: LOOK_MS };
    await stopper.endContainer({ key, pod }, signal);
    return undefined;
  };

  async #isUsed(pod: Pod, anchorKey: ObjectKey, signal: AbortSignal): Promise<boolean> {
    const { pods, hypervisor } = this.#options;
    const found = pods.get(anchorKey);
    const anchor = found === undefined ? undefined : anchorOf(found);
    if (anchor === undefined || (await hypervisor.get(anchor.guest.uid, signal)).phase !== 'running') return false;
    const disks = await hypervisor.disks(anchor.guest.uid, signal);
    return disks.some(({ name }) => pod.metadata.name === attachmentName(anchor.name, name));
  }
}
