import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { registerTenantAdd } from './tenant-add-command.ts';
import { registerTenantDiscover } from './tenant-discover-command.ts';
import { registerTenantMigration } from './tenant-migrate-commands.ts';
import { registerTenantRemove } from './tenant-remove-command.ts';
import { registerTenantStatus } from './tenant-status-command.ts';

export function registerTenant(program: Command, context: CliContext): void {
  const tenant = program.command('tenant').description('projects of OpenStack clouds, shown beside what runs here');
  registerTenantDiscover(tenant, context);
  registerTenantAdd(tenant, context);
  registerTenantStatus(tenant, context);
  registerTenantMigration(tenant, context);
  registerTenantRemove(tenant, context);
}
