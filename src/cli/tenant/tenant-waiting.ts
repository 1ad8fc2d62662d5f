import { systemClock } from '../../base/clock.ts';
import { YadoError } from '../../base/errors.ts';
import type { Progress } from '../../base/progress.ts';
import type { KubeClient } from '../../kube/client.ts';
import { conditionOf } from '../../kube/conditions.ts';
import { openStackTenants, type OpenStackTenant } from '../../kube/yadokari.ts';
import { ignoreMissing } from './tenant-objects.ts';

export interface TenantWait {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  readonly patienceMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const LOOK_MS = 250;

/** The tenant once all of its project is mirrored. Throws YadoError `TenantNotReady` with what it says itself. */
export async function tenantReady({ client, namespace, name, patienceMs, progress, signal }: TenantWait): Promise<OpenStackTenant> {
  return progress.step(`Mirroring the project into namespace ${namespace}`, async (step) => {
    for (const giveUpAt = systemClock.now() + patienceMs; ;) {
      const tenant = await client.get(openStackTenants, { namespace, name }, signal);
      const ready = conditionOf(tenant.status?.conditions, 'Ready');
      if (ready?.status === 'True') return tenant;
      const said = ready === undefined ? 'the operator has not taken it up yet: with the chart it needs openstack.enabled' : `${ready.reason ?? ''}: ${ready.message ?? ''}`;
      if (systemClock.now() > giveUpAt) throw new YadoError('TenantNotReady', `OpenStackTenant ${name} is not Ready after ${patienceMs / 1000} s: ${said}`, { disposition: 'stalled' });
      step.update(said);
      await systemClock.sleep(LOOK_MS, signal);
    }
  });
}

/** Resolves once the tenant that was asked to go is gone. Throws YadoError `TenantNotGone` with what it waits for. */
export async function tenantGone({ client, namespace, name, patienceMs, progress, signal }: TenantWait): Promise<void> {
  await progress.step(`Removing OpenStackTenant ${name}`, async (step) => {
    for (const giveUpAt = systemClock.now() + patienceMs; ;) {
      const tenant = await client.get(openStackTenants, { namespace, name }, signal).catch(ignoreMissing);
      if (tenant === false) return;
      const { reason, message = '' } = conditionOf(tenant.status?.conditions, 'Ready') ?? {};
      const said = reason === 'Removing' ? message : 'its objects are being removed';
      if (systemClock.now() > giveUpAt) throw new YadoError('TenantNotGone', `OpenStackTenant ${name} is not gone after ${patienceMs / 1000} s: ${said}`, { disposition: 'stalled' });
      step.update(said);
      await systemClock.sleep(LOOK_MS, signal);
    }
  });
}
