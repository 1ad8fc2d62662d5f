import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import { mergeConditions, type ConditionDraft } from '../../kube/conditions.ts';
import type { Reconcile } from '../../kube/controller.ts';
import type { Informer } from '../../kube/informer.ts';
import { virtualMachineImages, type VirtualMachineImage } from '../../kube/yadokari.ts';

export interface VirtualMachineImageContext {
  readonly client: KubeClient;
  readonly images: Informer<VirtualMachineImage>;
  readonly clock: Clock;
}

/** Sums up in the condition Ready what the nodes report of an image. */
export class VirtualMachineImageReconciler {
  readonly #context: VirtualMachineImageContext;

  constructor(context: VirtualMachineImageContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { client, images, clock } = this.#context;
    const image = images.get(key);
    if (image === undefined) return;
    const conditions = mergeConditions(image.status?.conditions, [readyOf(image)], clock.now());
    if (isDeepStrictEqual(image.status?.conditions, conditions)) return;
    const { name, namespace } = image.metadata;
    await client.apply(virtualMachineImages, { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, status: { conditions } }, { fieldManager: 'yadokari-operator', subresource: 'status', signal });
  };
}

function readyOf(image: VirtualMachineImage): ConditionDraft {
  const nodes = image.status?.nodes ?? [];
  const imported = nodes.filter((node) => node.phase === 'Imported').length;
  const failed = nodes.find((node) => node.phase === 'Failed');
  if (imported > 0) return { type: 'Ready', status: 'True', reason: 'Imported', message: `imported on ${imported} node${imported === 1 ? '' : 's'}` };
  if (failed !== undefined) return { type: 'Ready', status: 'False', reason: 'ImportFailed', message: `node ${failed.name}: ${failed.message ?? 'the import failed'}` };
  if (nodes.length > 0) return { type: 'Ready', status: 'False', reason: 'Importing', message: 'a node imports it' };
  return { type: 'Ready', status: 'Unknown', reason: 'NotUsedYet', message: 'imported when a virtual machine first needs it' };
}
