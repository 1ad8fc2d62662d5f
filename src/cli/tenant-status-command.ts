import { Option, type Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { YadoError } from '../base/errors.ts';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { migrationTable } from './tenant/migration-text.ts';
import { findTenant, migrationsOf, tenantsOf } from './tenant/tenant-objects.ts';
import { summaryOf, tenantsTable, tenantText } from './tenant/tenant-text.ts';

interface StatusOptions extends TargetOptions {
  readonly allNamespaces: boolean;
  readonly output: 'table' | 'json';
}

export function registerTenantStatus(tenant: Command, { print, progress, signal }: CliContext): void {
  withTargetOptions(tenant.command('status [tenant]'))
    .description('tell how OpenStackTenants are: their conditions, what there is there and here, and what is not shown')
    .option('-A, --all-namespaces', 'of all namespaces', false)
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['table', 'json']).default('table'))
    .action(async (name: string | undefined, { allNamespaces, output, ...options }: StatusOptions) => {
      if (name !== undefined && allNamespaces) throw new YadoError('BadUsage', 'An OpenStackTenant has a name in one namespace only: leave out -A or the name', { disposition: 'stalled' });
      await withTarget(options, async ({ client, namespace }) => {
        const migrations = await migrationsOf(client, allNamespaces ? undefined : namespace, name, signal);
        const tenants = name === undefined ? await tenantsOf(client, allNamespaces ? undefined : namespace, signal) : [await findTenant(client, { namespace, name }, signal)];
        if (output === 'json') print(JSON.stringify(tenants.map(summaryOf), undefined, 2));
        else if (name !== undefined) for (const tenant of tenants) print(tenantText(tenant, systemClock.now()));
        else if (tenants.length === 0) progress.line(`There is no OpenStackTenant${allNamespaces ? '' : ` in namespace ${namespace}`}; \`yado tenant add\` makes one`);
        else print(tenantsTable(tenants, systemClock.now()));
        if (output === 'table' && migrations.length > 0) print(`\n${migrationTable(migrations)}`);
      });
    });
}
