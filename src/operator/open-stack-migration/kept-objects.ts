import { LABEL_CLOUD_ID, LABEL_KEPT, LABEL_TENANT, LABEL_TENANT_NAMESPACE, LABEL_TENANT_UID } from '../../api/open-stack-names.ts';
import { isAlreadyExists } from '../../kube/api-error.ts';
import { secrets, type Secret } from '../../kube/core.ts';
import { apiVersionOf, keyOf, type KubeObject, type Resource } from '../../kube/object.ts';
import { ipPools, networkPolicies, type IPPool, type NetworkPolicy } from '../../network/calico/kinds.ts';
import { mirroredKey } from '../open-stack-tenant/informers.ts';
import { labelOfId, objectNameOf } from '../open-stack-tenant/names.ts';
import type { TargetName } from '../open-stack-tenant/target.ts';
import { keepsAddress } from './plan.ts';
import type { SourceServer } from './source-server.ts';
import type { StepContext } from './step.ts';

const NAME_LIMIT = 200;

/**
 * What moved machines need and a tenant only shows: it goes with the tenant, and changes with the cloud. Policies and
 * keys are copied, and are the namespace's from then on; of a subnet there can be one IPPool, which stops being the
 * tenant's and gives addresses to whoever asks for one.
 */
export async function keepObjects(source: SourceServer, context: StepContext, signal: AbortSignal): Promise<{ readonly keySecret: string | undefined }> {
  const { migration: { spec } } = context;
  const [first] = source.interfaces;
  if (first?.fixed?.subnet !== undefined && keepsAddress(first, spec)) await keepPool(first.fixed.subnet.id, context, signal);
  for (const { id, name } of source.securityGroups) {
    const shown = mirrorOf('securityGroups', id, context) as NetworkPolicy | undefined;
    if (shown !== undefined) await copy(networkPolicies, `default.kept-${objectNameOf(`${name}-${id}`, id, NAME_LIMIT)}`, id, { spec: shown.spec }, context, signal);
  }
  const { keyName } = source.server;
  const key = keyName === undefined ? undefined : mirrorOf('keypairs', keyName, context);
  if (keyName === undefined || key === undefined) return { keySecret: undefined };
  const keySecret = `kept-${objectNameOf(keyName, keyName, NAME_LIMIT)}`;
  await copy(secrets, keySecret, keyName, { data: (key as Secret).data ?? {} }, context, signal);
  return { keySecret };
}

/** Of a subnet, or of what was kept of it. */
export function poolOf(subnetId: string, context: Pick<StepContext, 'mirrored' | 'tenant'>): IPPool | undefined {
  return (context.mirrored.subnets.list() as readonly IPPool[]).find(({ metadata: { labels } }) => labels?.[LABEL_KEPT] === labelOfId(subnetId)) ?? mirrorOf('subnets', subnetId, context) as IPPool | undefined;
}

/** What shows something of the tenant's project here. */
export function mirrorOf(target: TargetName, id: string, { mirrored, tenant }: Pick<StepContext, 'mirrored' | 'tenant'>): KubeObject | undefined {
  return mirrored[target].byIndex('mirrored', mirroredKey(keyOf(tenant), labelOfId(id)))[0];
}

async function keepPool(subnetId: string, context: StepContext, signal: AbortSignal): Promise<void> {
  const pool = poolOf(subnetId, context);
  if (pool === undefined || pool.metadata.labels?.[LABEL_KEPT] !== undefined) return;
  const { name, resourceVersion } = pool.metadata;
  const labels = { [LABEL_TENANT]: null, [LABEL_TENANT_NAMESPACE]: null, [LABEL_TENANT_UID]: null, [LABEL_CLOUD_ID]: null, [LABEL_KEPT]: labelOfId(subnetId) };
  await context.client.patch(ipPools, { name }, { metadata: { labels, resourceVersion }, spec: { disabled: false, disableBGPExport: false } }, { signal });
}

async function copy<T extends KubeObject>(resource: Resource<T>, name: string, id: string, body: object, { client, migration: { metadata: { namespace = 'default' } } }: StepContext, signal: AbortSignal): Promise<void> {
  const object = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name, namespace, labels: { [LABEL_KEPT]: labelOfId(id) } }, ...body } as unknown as T;
  await client.create(resource, object, { signal }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
}
