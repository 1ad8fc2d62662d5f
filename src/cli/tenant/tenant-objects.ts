import { API_VERSION } from '../../api/group.ts';
import type { OpenStackTenantSpec } from '../../api/open-stack-tenant.ts';
import { YadoError } from '../../base/errors.ts';
import { isAlreadyExists, isNotFound, missing } from '../../kube/api-error.ts';
import type { KubeClient, ObjectRef } from '../../kube/client.ts';
import { secrets } from '../../kube/core.ts';
import { openStackMigrations, openStackTenants, type OpenStackMigration, type OpenStackTenant } from '../../kube/yadokari.ts';
import { namesHint } from '../near-names.ts';

export interface TenantRequest {
  readonly namespace: string;
  readonly name: string;
  /** Of the Secret that is made. */
  readonly secret: string;
  /** Its content. */
  readonly cloudsYaml: string;
  readonly spec: Omit<OpenStackTenantSpec, 'cloud'>;
}

const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'yado' };

/** Makes a tenant and the Secret with its cloud, which goes when the tenant goes. Makes both or neither. */
export async function createTenant(client: KubeClient, { namespace, name, secret, cloudsYaml, spec }: TenantRequest, signal: AbortSignal): Promise<OpenStackTenant> {
  await tenantsOf(client, namespace, signal);
  if (await client.get(openStackTenants, { namespace, name }, signal).then(() => true, missing)) throw new YadoError('TenantExists', `There is an OpenStackTenant ${name} in namespace ${namespace} already: take another name, or remove it with \`yado tenant remove ${name}\``, { disposition: 'stalled' });
  await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: secret, labels: MANAGED_BY }, type: 'Opaque', data: { 'clouds.yaml': Buffer.from(cloudsYaml).toString('base64') } }, { signal }).catch((error: unknown) => {
    throw isAlreadyExists(error) ? new YadoError('SecretExists', `There is a Secret ${secret} in namespace ${namespace} already: take another name with --secret`, { disposition: 'stalled' }) : error;
  });
  let made: OpenStackTenant | undefined;
  try {
    made = await client.create(openStackTenants, { apiVersion: API_VERSION, kind: 'OpenStackTenant', metadata: { namespace, name, labels: MANAGED_BY }, spec: { ...spec, cloud: { secret } } }, { signal });
    await client.patch(secrets, { namespace, name: secret }, { metadata: { ownerReferences: [{ apiVersion: API_VERSION, kind: 'OpenStackTenant', name, uid: made.metadata.uid ?? '' }] } }, { signal });
    return made;
  } catch (error) {
    // Without the signal: it may be why this failed.
    if (made !== undefined) await client.delete(openStackTenants, { namespace, name }).catch(() => {});
    await client.delete(secrets, { namespace, name: secret }).catch(() => {});
    throw error;
  }
}

/** Those of a namespace, or of all. Throws YadoError `NoTenants` where the cluster does not know the kind. */
export async function tenantsOf(client: KubeClient, namespace: string | undefined, signal: AbortSignal): Promise<readonly OpenStackTenant[]> {
  try {
    return (await client.listAll(openStackTenants, { signal, ...(namespace === undefined ? {} : { namespace }) })).items;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new YadoError('NoTenants', 'The cluster does not know the kind OpenStackTenant: install or upgrade Yadokari there first', { disposition: 'stalled', cause: error });
  }
}

/** Those of a namespace, or of all; of one tenant, or of any. */
export async function migrationsOf(client: KubeClient, namespace: string | undefined, tenant: string | undefined, signal: AbortSignal): Promise<readonly OpenStackMigration[]> {
  // An older release knows none.
  const { items } = await client.listAll(openStackMigrations, { signal, ...(namespace === undefined ? {} : { namespace }) }).catch((error: unknown) => (isNotFound(error) ? { items: [] } : Promise.reject(error)));
  return items.filter(({ spec }) => tenant === undefined || spec.tenant === tenant);
}

/** Throws YadoError `NoSuchTenant`, which names what was probably meant. */
export async function findTenant(client: KubeClient, { name, namespace = 'default' }: ObjectRef, signal: AbortSignal): Promise<OpenStackTenant> {
  const all = await tenantsOf(client, namespace, signal);
  const found = all.find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new YadoError('NoSuchTenant', `There is no OpenStackTenant ${name} in namespace ${namespace}. ${namesHint(name, all.map(({ metadata }) => metadata.name).sort())}`, { disposition: 'stalled' });
  return found;
}
