import { FINALIZER_MIRROR, LABEL_TENANT, LABEL_TENANT_NAMESPACE, LABEL_TENANT_UID } from '../../api/open-stack-names.ts';
import { isNotFound, missing } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isDeleting, type KubeObject } from '../../kube/object.ts';
import { openStackTenants, type OpenStackTenant } from '../../kube/yadokari.ts';
import { forEachBounded } from './bounded-work.ts';
import { isOf } from './informers.ts';
import type { AnyTarget } from './target.ts';
import { TARGETS } from './targets/all.ts';

const AT_ONCE = 8;

export async function holdTenant(client: KubeClient, { metadata: { name, namespace = 'default', uid, finalizers = [] } }: OpenStackTenant, signal: AbortSignal): Promise<void> {
  if (finalizers.includes(FINALIZER_MIRROR)) return;
  await client.apply(openStackTenants, { metadata: { name, namespace, uid, finalizers: [FINALIZER_MIRROR] } }, { fieldManager: 'yadokari-operator-finalizer', signal });
}

/** Removes what mirrors the project, or leaves it to itself; asks the API server, since the cache may be behind. Gives what is left to be waited for, such as `VirtualMachine web`. */
export async function letGoOfObjects(client: KubeClient, tenant: OpenStackTenant, signal: AbortSignal): Promise<readonly string[]> {
  const left: string[] = [];
  for (const target of TARGETS.toReversed()) {
    const objects = (await objectsOf(client, target, tenant, signal)).filter((object) => hasOwner(object, tenant));
    left.push(...objects.map(({ metadata }) => `${target.resource.kind} ${metadata.name}`));
    await forEachBounded(objects, AT_ONCE, (object) => (tenant.spec.onDelete === 'Keep' ? leave(client, target, object, tenant, signal) : remove(client, target, object, signal)));
  }
  return left;
}

export async function releaseTenant(client: KubeClient, { metadata: { name, namespace = 'default', finalizers = [], resourceVersion } }: OpenStackTenant, signal: AbortSignal): Promise<void> {
  if (!finalizers.includes(FINALIZER_MIRROR)) return;
  await client.patch(openStackTenants, { name, namespace }, { metadata: { finalizers: finalizers.filter((one) => one !== FINALIZER_MIRROR), resourceVersion } }, { signal }).catch(missing);
}

async function objectsOf(client: KubeClient, { resource }: AnyTarget, { metadata: { name, namespace = 'default' } }: OpenStackTenant, signal: AbortSignal): Promise<readonly KubeObject[]> {
  const labelSelector = `${LABEL_TENANT}=${name}${resource.namespaced ? '' : `,${LABEL_TENANT_NAMESPACE}=${namespace}`}`;
  const options = { labelSelector, signal, ...(resource.namespaced ? { namespace } : {}) };
  // A cluster need not know Calico's kinds.
  return (await client.listAll(resource, options).catch((error: unknown) => (isNotFound(error) ? { items: [] } : Promise.reject(error)))).items;
}

/** What nobody owns was left by an earlier tenant, and stays. */
function hasOwner(object: KubeObject, tenant: OpenStackTenant): boolean {
  const { namespace, labels, ownerReferences = [] } = object.metadata;
  return isOf(object, tenant) && (namespace === undefined ? labels?.[LABEL_TENANT_UID] !== undefined : ownerReferences.some(({ uid }) => uid === tenant.metadata.uid));
}

async function remove(client: KubeClient, { resource }: AnyTarget, object: KubeObject, signal: AbortSignal): Promise<void> {
  const { name, namespace, uid } = object.metadata;
  if (isDeleting(object)) return;
  await client.delete(resource, { name, ...(namespace === undefined ? {} : { namespace }) }, { ...(uid === undefined ? {} : { preconditions: { uid } }), signal }).catch(missing);
}

async function leave(client: KubeClient, { resource }: AnyTarget, { metadata }: KubeObject, tenant: OpenStackTenant, signal: AbortSignal): Promise<void> {
  const patch = metadata.namespace === undefined
    ? { labels: { [LABEL_TENANT_UID]: null } }
    : { ownerReferences: (metadata.ownerReferences ?? []).filter(({ uid }) => uid !== tenant.metadata.uid) };
  await client.patch(resource, metadata, { metadata: { ...patch, resourceVersion: metadata.resourceVersion } }, { signal }).catch(missing);
}
