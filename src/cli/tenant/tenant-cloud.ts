import { YadoError } from '../../base/errors.ts';
import { isNotFound, isRefused } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { secrets, type Secret } from '../../kube/core.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { parseClouds, type CloudSettings } from '../../openstack/clouds.ts';

const CLOUDS_KEY = 'clouds.yaml';

/** The cloud of a tenant, read with the rights of whoever asks. Throws YadoError. */
export async function cloudOfTenant(client: KubeClient, { metadata: { namespace = 'default', name: tenant }, spec: { cloud } }: OpenStackTenant, signal: AbortSignal): Promise<CloudSettings> {
  const { data } = await readSecret(client, namespace, cloud.secret, tenant, signal);
  const text = data?.[CLOUDS_KEY];
  if (text === undefined) throw new YadoError('SecretMissing', `Secret ${cloud.secret} of OpenStackTenant ${tenant} has no key ${CLOUDS_KEY}`, { disposition: 'stalled' });
  return parseClouds(Buffer.from(text, 'base64').toString('utf8'), { files: false, ...(cloud.name === undefined ? {} : { name: cloud.name }) });
}

async function readSecret(client: KubeClient, namespace: string, name: string, tenant: string, signal: AbortSignal): Promise<Secret> {
  try {
    return await client.get(secrets, { namespace, name }, signal);
  } catch (cause) {
    const missing = isNotFound(cause);
    if (!missing && !isRefused(cause)) throw cause;
    throw new YadoError(missing ? 'SecretMissing' : 'SecretForbidden', `Secret ${name} of namespace ${namespace}, which says where the cloud of OpenStackTenant ${tenant} is, ${missing ? 'does not exist' : 'may not be read by you'}`, { cause, disposition: 'stalled' });
  }
}
