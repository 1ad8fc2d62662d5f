import type { Command } from 'commander';
import { missing } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/core.ts';
import { openStackTenants, type OpenStackTenant } from '../kube/yadokari.ts';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { seconds } from './option-values.ts';
import { countText } from './tenant/discovery-text.ts';
import { findTenant } from './tenant/tenant-objects.ts';
import { summaryOf } from './tenant/tenant-text.ts';
import { tenantGone } from './tenant/tenant-waiting.ts';

interface RemoveOptions extends TargetOptions {
  readonly timeout: number;
}

export function registerTenantRemove(tenant: Command, { print, progress, signal }: CliContext): void {
  withTargetOptions(tenant.command('remove <tenant>'))
    .description('show a project of an OpenStack cloud no longer; nothing is removed in the cloud')
    .option('--timeout <seconds>', 'how long it is waited for', seconds, 120)
    .action(async (name: string, { timeout, ...options }: RemoveOptions) => {
      await withTarget(options, async ({ client, namespace }) => {
        const tenant = await findTenant(client, { namespace, name }, signal);
        const ownSecret = await hasOwnSecret(client, tenant, signal);
        await client.delete(openStackTenants, { namespace, name }, { signal });
        await tenantGone({ client, namespace, name, patienceMs: timeout * 1000, progress, signal });
        print(removalText(tenant, ownSecret));
      });
    });
}

/** Whether the Secret is of this tenant alone, and goes with it. */
async function hasOwnSecret(client: KubeClient, { metadata: { uid, namespace = 'default' }, spec: { cloud } }: OpenStackTenant, signal: AbortSignal): Promise<boolean> {
  const secret = await client.get(secrets, { namespace, name: cloud.secret }, signal).catch(missing);
  return (secret?.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid);
}

/** What went, and what stays. */
export function removalText(tenant: OpenStackTenant, ownSecret: boolean): string {
  const { name, namespace, project, counts = [] } = summaryOf(tenant);
  const { onDelete = 'Detach', cloud: { secret } } = tenant.spec;
  const listed = (which: 'there' | 'here'): string => counts.filter((count) => (count[which] ?? 0) > 0).map((count) => countText(count[which] ?? 0, count.kind)).join(', ') || 'nothing';
  return [
    `OpenStackTenant ${name} is gone from namespace ${namespace}${onDelete === 'Keep' ? '' : `, and what mirrored its project: ${listed('here')}`}.`,
    `All stays in the cloud, as it is${project === undefined ? '' : `, in project ${project.name}`}: ${listed('there')}.`,
    ...(onDelete === 'Keep' ? [`Here stays what mirrored it, as it was last (onDelete: Keep): ${listed('here')}.`] : []),
    ownSecret ? `Secret ${secret} goes too.` : `Secret ${secret} stays: it was not made by \`yado tenant add\`, or others use it.`,
  ].join('\n');
}
