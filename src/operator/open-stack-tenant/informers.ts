import { LABEL_CLOUD_ID, LABEL_TENANT, LABEL_TENANT_NAMESPACE, LABEL_TENANT_UID } from '../../api/open-stack-names.ts';
import type { Informer } from '../../kube/informer.ts';
import { controllerOf, keyFor, keyOf, type KubeObject, type ObjectKey } from '../../kube/object.ts';
import type { Indexer } from '../../kube/store.ts';
import type { OpenStackTenant, VirtualMachineImage } from '../../kube/yadokari.ts';
import type { TargetName } from './target.ts';

/** Caches of all that mirrors something, indexed by `mirrorIndexers`. Of kinds that a cluster may lack they may never be filled. */
export type MirrorInformers = Readonly<Record<TargetName, Informer<KubeObject>>>;

/** `tenant`: all of a tenant. `mirrored`: what mirrors one thing; see `mirroredKey`. `asking`: images that ask for one of a machine, by namespace. `snapshot`: those that have got it; see `snapshotKey`. */
export const mirrorIndexers: Readonly<Record<'tenant' | 'mirrored' | 'asking' | 'snapshot', Indexer<KubeObject>>> = {
  tenant: (object) => tenantKeysOf(object),
  mirrored: (object) => tenantKeysOf(object).map((tenant) => mirroredKey(tenant, idLabelOf(object))),
  asking: (object) => (isAsking(object) ? [object.metadata.namespace ?? ''] : []),
  snapshot: (object) => {
    const id = isAsking(object) ? object.status?.snapshot?.image : undefined;
    return id === undefined ? [] : [snapshotKey(object.metadata.namespace, id)];
  },
};

/** Whether it is a VirtualMachineImage that asks for one of a machine. */
export function isAsking(object: KubeObject): object is VirtualMachineImage {
  return object.kind === 'VirtualMachineImage' && (object as VirtualMachineImage).spec.source.virtualMachine !== undefined;
}

/** What an object that asked for an image has once it has got it. */
export function snapshotKey(namespace: string | undefined, imageId: string): string {
  return `${namespace ?? ''}/${imageId}`;
}

/** The tenant that an object says it is of. */
export function tenantKeysOf({ metadata: { namespace, labels } }: KubeObject): readonly ObjectKey[] {
  const tenant = labels?.[LABEL_TENANT];
  return tenant === undefined ? [] : [keyFor(namespace ?? labels?.[LABEL_TENANT_NAMESPACE], tenant)];
}

/** What a mirrored object has instead of the id of what it mirrors. */
export function idLabelOf({ metadata: { labels } }: KubeObject): string {
  return labels?.[LABEL_CLOUD_ID] ?? '';
}

export function mirroredKey(tenant: ObjectKey, idLabel: string): string {
  return `${tenant}/${idLabel}`;
}

/** Whether it is this tenant's to change: it was made by it, or was left by one of its name. */
export function isOf(object: KubeObject, tenant: OpenStackTenant): boolean {
  if (!tenantKeysOf(object).includes(keyOf(tenant))) return false;
  const owner = object.metadata.namespace === undefined ? object.metadata.labels?.[LABEL_TENANT_UID] : controllerOf(object)?.uid;
  return owner === undefined || owner === tenant.metadata.uid;
}
