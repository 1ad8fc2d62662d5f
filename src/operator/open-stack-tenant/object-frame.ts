import { API_VERSION } from '../../api/group.ts';
import { ANNOTATION_CLOUD_NAME, LABEL_CLOUD_ID, LABEL_TENANT, LABEL_TENANT_NAMESPACE, LABEL_TENANT_UID } from '../../api/open-stack-names.ts';
import type { KubeObject, OwnerReference } from '../../kube/object.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import type { AnyTarget, Wanted } from './target.ts';

/** What an object here has, with what all have that mirror something; without its name and its status. */
export function framed(target: AnyTarget, tenant: OpenStackTenant, idLabel: string, originalName: string, wanted: Wanted, existing: KubeObject | undefined): Readonly<Record<string, unknown>> {
  const { namespaced } = target.resource;
  const { name, namespace, uid } = tenant.metadata;
  return {
    metadata: {
      labels: { ...wanted.labels, [LABEL_TENANT]: name, [LABEL_CLOUD_ID]: idLabel, ...(namespaced ? {} : { [LABEL_TENANT_NAMESPACE]: namespace, [LABEL_TENANT_UID]: uid }) },
      annotations: { [ANNOTATION_CLOUD_NAME]: originalName, ...wanted.annotations },
      ...(namespaced ? { ownerReferences: withOwner(existing?.metadata.ownerReferences ?? [], tenant) } : {}),
    },
    ...(target.createOnly === true && existing !== undefined ? {} : wanted.body),
  };
}

export function ownerOf({ metadata: { name, uid = '' } }: OpenStackTenant): OwnerReference {
  return { apiVersion: API_VERSION, kind: 'OpenStackTenant', name, uid, controller: true };
}

function withOwner(known: readonly OwnerReference[], tenant: OpenStackTenant): readonly OwnerReference[] {
  const { uid } = tenant.metadata;
  return known.some((owner) => owner.uid === uid && owner.controller === true) ? known : [...known.filter((owner) => owner.uid !== uid), ownerOf(tenant)];
}
