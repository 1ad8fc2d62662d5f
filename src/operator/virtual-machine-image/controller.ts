import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import { mergeConditions, type ConditionDraft } from '../../kube/conditions.ts';
import type { Reconcile } from '../../kube/controller.ts';
import type { Informer } from '../../kube/informer.ts';
import { keyFor } from '../../kube/object.ts';
import { virtualMachineImages, type VirtualMachine, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { snapshotReadiness } from './snapshot-readiness.ts';

export interface VirtualMachineImageContext {
  readonly client: KubeClient;
  readonly images: Informer<VirtualMachineImage>;
  readonly vms: Informer<VirtualMachine>;
  readonly clock: Clock;
}

/** Sums up in the condition Ready what the nodes report of an image, or the cloud that makes it of a machine. */
export class VirtualMachineImageReconciler {
  readonly #context: VirtualMachineImageContext;

  constructor(context: VirtualMachineImageContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { client, images, vms, clock } = this.#context;
    const image = images.get(key);
    if (image === undefined) return;
    const { virtualMachine } = image.spec.source;
    const draft = virtualMachine === undefined ? readyOf(image) : snapshotReadiness(image, vms.get(keyFor(image.metadata.namespace, virtualMachine.name)));
    const conditions = mergeConditions(image.status?.conditions, [draft], clock.now());
    if (isDeepStrictEqual(image.status?.conditions, conditions)) return;
    const { name, namespace } = image.metadata;
    await client.apply(virtualMachineImages, { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, status: { conditions } }, { fieldManager: 'yadokari-operator', subresource: 'status', signal });
  };
}

function inGlance(tenant: string, status = 'unknown'): ConditionDraft {
  if (status !== 'active') return { type: 'Ready', status: 'False', reason: 'NotActive', message: `in Glance of OpenStackTenant ${tenant}, and ${status} there` };
  return { type: 'Ready', status: 'True', reason: 'InGlance', message: `in Glance of OpenStackTenant ${tenant}: disks of it need a storageClassName` };
}

function readyOf(image: VirtualMachineImage): ConditionDraft {
  const { glance } = image.spec.source;
  if (glance !== undefined) return inGlance(glance.tenant, image.status?.glance?.status);
  const nodes = image.status?.nodes ?? [];
  const imported = nodes.filter((node) => node.phase === 'Imported').length;
  const failed = nodes.find((node) => node.phase === 'Failed');
  if (imported > 0) return { type: 'Ready', status: 'True', reason: 'Imported', message: `imported on ${imported} node${imported === 1 ? '' : 's'}` };
  if (failed !== undefined) return { type: 'Ready', status: 'False', reason: 'ImportFailed', message: `node ${failed.name}: ${failed.message ?? 'the import failed'}` };
  if (nodes.length > 0) return { type: 'Ready', status: 'False', reason: 'Importing', message: 'a node imports it' };
  return { type: 'Ready', status: 'Unknown', reason: 'NotUsedYet', message: 'imported when a virtual machine first needs it' };
}
