import { missing } from '../../kube/api-error.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { openStackTenants, type OpenStackTenant } from '../../kube/yadokari.ts';
import { lookUntilFound, type Wait } from './waiting.ts';

/** The tenant once all of its project is mirrored. Throws YadoError `TenantNotReady` with what it says itself. */
export async function tenantReady(wait: Wait): Promise<OpenStackTenant> {
  const { client, namespace, name, signal } = wait;
  return lookUntilFound(`Mirroring the project into namespace ${namespace}`, wait, 'TenantNotReady', `OpenStackTenant ${name} is not Ready`, async () => {
    const tenant = await client.get(openStackTenants, { namespace, name }, signal);
    const ready = conditionOf(tenant.status?.conditions, 'Ready');
    if (ready?.status === 'True') return { found: tenant };
    return { said: ready === undefined ? 'the operator has not taken it up yet: with the chart it needs openstack.enabled' : `${ready.reason ?? ''}: ${ready.message ?? ''}` };
  });
}

/** Resolves once the tenant that was asked to go is gone. Throws YadoError `TenantNotGone` with what it waits for. */
export async function tenantGone(wait: Wait): Promise<void> {
  const { client, namespace, name, signal } = wait;
  await lookUntilFound(`Removing OpenStackTenant ${name}`, wait, 'TenantNotGone', `OpenStackTenant ${name} is not gone`, async () => {
    const tenant = await client.get(openStackTenants, { namespace, name }, signal).catch(missing);
    if (tenant === undefined) return { found: undefined };
    const { reason, message = '' } = conditionOf(tenant.status?.conditions, 'Ready') ?? {};
    return { said: reason === 'Removing' ? message : 'its objects are being removed' };
  });
}
