import { YadoError } from '../../base/errors.ts';
import { isNotFound, isRefused } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { secrets, type Secret } from '../../kube/core.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { OpenStackCloud } from '../../openstack/cloud.ts';
import { parseClouds, type CloudSettings } from '../../openstack/clouds.ts';
import type { Cloud } from '../../openstack/port.ts';

const CLOUDS_KEY = 'clouds.yaml';

/** Reaches a cloud; rejects with what the condition of the tenant is to say. */
export type ConnectCloud = (settings: CloudSettings, signal: AbortSignal) => Promise<Cloud>;

export const connectCloud: ConnectCloud = (settings, signal) => OpenStackCloud.connect(settings, { signal });

/** The Secret of a tenant cannot be used. */
export class TenantSecretError extends YadoError {
  constructor(code: 'SecretMissing' | 'SecretForbidden', message: string) {
    super(code, message, { disposition: 'stalled' });
  }
}

/** Rejects with TenantSecretError. */
export async function readSecret(client: KubeClient, { metadata: { namespace = 'default' }, spec: { cloud } }: OpenStackTenant, signal: AbortSignal): Promise<Secret> {
  try {
    return await client.get(secrets, { namespace, name: cloud.secret }, signal);
  } catch (error) {
    if (isNotFound(error)) throw new TenantSecretError('SecretMissing', `Secret ${cloud.secret} does not exist in namespace ${namespace}: make it of a clouds.yaml, by kubectl create secret generic ${cloud.secret} --from-file=${CLOUDS_KEY}`);
    if (isRefused(error)) throw new TenantSecretError('SecretForbidden', `the operator may not read Secret ${cloud.secret}: give it the right by the chart's openstack.enabled and rbac.secretNamespaces`);
    throw error;
  }
}

/** Throws TenantSecretError or CloudSettingsError. */
export function settingsOf({ metadata: { name }, data = {} }: Secret, { spec: { cloud } }: OpenStackTenant): CloudSettings {
  const text = data[CLOUDS_KEY];
  if (text === undefined) throw new TenantSecretError('SecretMissing', `Secret ${name} has no key ${CLOUDS_KEY}; it has ${Object.keys(data).sort().join(', ') || 'none'}`);
  return parseClouds(Buffer.from(text, 'base64').toString('utf8'), { files: false, ...(cloud.name === undefined ? {} : { name: cloud.name }) });
}
