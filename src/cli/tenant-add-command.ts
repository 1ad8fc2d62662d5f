import type { Command } from 'commander';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { seconds } from './option-values.ts';
import { chosenCloud, withCloud, withCloudOptions, type CloudOptions } from './tenant/cloud-options.ts';
import { cloudPart } from './tenant/cloud-part.ts';
import { countText } from './tenant/discovery-text.ts';
import { createTenant } from './tenant/tenant-objects.ts';
import { tenantReady } from './tenant/tenant-waiting.ts';

interface AddOptions extends TargetOptions, CloudOptions {
  readonly manage: boolean;
  readonly secret?: string;
  readonly check: boolean;
  readonly wait: boolean;
  readonly timeout: number;
}

export function registerTenantAdd(tenant: Command, context: CliContext): void {
  withTargetOptions(withCloudOptions(tenant.command('add <name>')))
    .description('show a project of an OpenStack cloud in a namespace: makes a Secret of that cloud alone, and an OpenStackTenant')
    .option('--manage', 'let start, stop and restart of machines here reach their servers (default: only observe)', false)
    .option('--secret <name>', "the Secret's name (default: <name>-cloud)")
    .option('--no-check', 'do not sign in from here first: the cloud may be reachable from the cluster alone')
    .option('--no-wait', 'do not wait until all is mirrored')
    .option('--timeout <seconds>', 'how long it is waited for', seconds, 120)
    .action(async (name: string, options: AddOptions) => add(name, options, context));
}

async function add(name: string, options: AddOptions, context: CliContext): Promise<void> {
  const { print, progress, signal } = context;
  const chosen = await chosenCloud(options, context);
  const cloudsYaml = await cloudPart(chosen);
  const { secret = `${name}-cloud`, manage } = options;
  await withTarget(options, async ({ client, namespace }) => {
    if (options.check) await withCloud(chosen.settings, context, (cloud) => cloud.identity.whoAmI(signal));
    await createTenant(client, { namespace, name, secret, cloudsYaml, spec: { servers: { mode: manage ? 'Manage' : 'Observe' } } }, signal);
    print(`OpenStackTenant ${name} in namespace ${namespace} ${manage ? 'manages' : 'observes'} the project of cloud ${chosen.settings.name}; Secret ${secret} has its part of ${chosen.file.path}`);
    if (!options.wait) return;
    const { status } = await tenantReady({ client, namespace, name, patienceMs: options.timeout * 1000, progress, signal });
    const mirrored = (status?.counts ?? []).filter(({ here = 0 }) => here > 0).map(({ kind, here = 0 }) => countText(here, kind));
    print(`Here now: ${mirrored.join(', ') || 'nothing, since the project has nothing'}${(status?.problems ?? []).length === 0 ? '' : `; \`yado tenant status ${name}\` tells what is not shown`}`);
  });
}
